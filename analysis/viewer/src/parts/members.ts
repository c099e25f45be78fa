/* Sets of samples, one byte a sample, as lists of numbers. Sets are not written to, so a list is good for as long as its
 * set is there: several views ask for the same, and the last answers are kept. */

/** Numbers of the samples of a set, without those of another one. */
export function membersOf(samples: Uint8Array, without?: Uint8Array): Int32Array {
  const old = answers.find((answer) => answer.samples === samples && answer.without === without);
  if (old) return old.list;
  const long = room(samples.length);
  let at = 0;
  if (without) for (let i = 0; i < samples.length; i++) { if (samples[i] > without[i]) long[at++] = i; }
  else for (let i = 0; i < samples.length; i++) { if (samples[i]) long[at++] = i; }
  const list = long.slice(0, at);
  answers.unshift({ samples, without, list });
  answers.length = Math.min(answers.length, KEPT);
  return list;
}

const KEPT = 6;
const answers: { samples: Uint8Array; without: Uint8Array | undefined; list: Int32Array }[] = [];
let long = new Int32Array();
function room(length: number): Int32Array {
  if (long.length < length) long = new Int32Array(length);
  return long;
}
