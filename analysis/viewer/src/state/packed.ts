/* Sets of samples as text for the address: ranges ("3,7-12") or, where that is shorter, bits in base64url ("~..."). */

export function packed(samples: Uint8Array): string {
  const ranges: string[] = [];
  let length = 0;
  const bitsLength = Math.ceil(samples.length / 6) + 1;
  for (let i = 0; i < samples.length && length <= bitsLength; i++) {
    if (!samples[i]) continue;
    const first = i;
    while (i + 1 < samples.length && samples[i + 1]) i++;
    ranges.push(first === i ? String(first) : `${first}-${i}`);
    length += ranges[ranges.length - 1].length + 1;
  }
  if (length <= bitsLength) return ranges.join(",");
  let binary = "";
  for (let i = 0; i < samples.length; i += 8) {
    let byte = 0;
    for (let bit = 0; bit < 8; bit++) byte |= (samples[i + bit] ?? 0) << bit;
    binary += String.fromCharCode(byte);
  }
  return `~${btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "")}`;
}

/** The set again; null if the text is none. */
export function unpackedSet(text: string, samples: number): Uint8Array | null {
  const set = new Uint8Array(samples);
  if (text.startsWith("~")) {
    let binary: string;
    try {
      binary = atob(text.slice(1).replace(/-/g, "+").replace(/_/g, "/"));
    } catch {
      return null;
    }
    for (let i = 0; i < samples; i++) set[i] = (binary.charCodeAt(i >> 3) >> (i & 7)) & 1;
    return set.includes(1) ? set : null;
  }
  for (const part of text.split(",")) {
    const range = part.match(/^(\d+)(?:-(\d+))?$/);
    if (!range) return null;
    const last = Math.min(samples - 1, Number(range[2] ?? range[1]));
    for (let i = Number(range[1]); i <= last; i++) set[i] = 1;
  }
  return set.includes(1) ? set : null;
}
