/* Arrays that were read, the last ones used kept, up to a number of bytes. What is asked for twice at once is read once. */

export class Kept<T extends { byteLength: number }> {
  private readonly all = new Map<string, { value: Promise<T>; bytes: number }>();
  private bytes = 0;

  constructor(private readonly most: number) {}

  get(key: string, read: () => Promise<T>): Promise<T> {
    const old = this.all.get(key);
    if (old) {
      this.all.delete(key);
      this.all.set(key, old);
      return old.value;
    }
    const entry = { value: read(), bytes: 0 };
    this.all.set(key, entry);
    entry.value.then((value) => {
      if (this.all.get(key) !== entry) return;
      entry.bytes = value.byteLength;
      this.bytes += entry.bytes;
      for (const [oldest, of] of this.all) {
        if (this.bytes <= this.most || of === entry) break;
        this.all.delete(oldest);
        this.bytes -= of.bytes;
      }
    }, () => {
      if (this.all.get(key) === entry) this.all.delete(key);
    });
    return entry.value;
  }
}

/** The last few answers of one kind, by key: whatever they are, the one that was asked for first goes first. */
export class Latest<T> {
  private readonly all = new Map<string, Promise<T>>();

  constructor(private readonly most: number) {}

  get(key: string, read: () => Promise<T>): Promise<T> {
    let found = this.all.get(key);
    if (!found) {
      this.all.set(key, found = read());
      if (this.all.size > this.most) this.all.delete(this.all.keys().next().value as string);
    }
    return found;
  }
}
