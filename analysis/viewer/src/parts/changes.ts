/* Counts over samples that follow a set of samples by its changes: who came or went is looked at, nobody else. */

/** How many members have each kind, for each of some rows (variants, say). kinds[row][sample]: the kind, below `of`. */
export class Counts {
  readonly counts: Uint32Array[];
  total = 0;
  private readonly before: Uint8Array;

  constructor(private readonly kinds: readonly Uint8Array[], of: number, samples: number) {
    this.counts = kinds.map(() => new Uint32Array(of));
    this.before = new Uint8Array(samples);
  }

  /** Counts the members; gives back how many came or went. */
  follow(members: Uint8Array): number {
    const came: number[] = [], went: number[] = [];
    for (let i = 0; i < members.length; i++) if (members[i] !== this.before[i]) (members[i] ? came : went).push(i);
    this.kinds.forEach((kinds, row) => {
      const counts = this.counts[row];
      for (const i of came) counts[kinds[i]]++;
      for (const i of went) counts[kinds[i]]--;
    });
    this.total += came.length - went.length;
    this.before.set(members);
    return came.length + went.length;
  }
}
