/* Keeps `passing` up with the filters. What they ask of the file is read once and kept by the study. */
import type { Study } from "../study/study";
import type { State, Store } from "./store";

async function compute(study: Study, state: Readonly<State>): Promise<Uint8Array> {
  const { filters, first, second, condition, groups } = state;
  const passing = new Uint8Array(study.samples).fill(1);
  const labels = study.labels;
  const keep = (which: (i: number) => boolean): void => {
    for (let i = 0; i < passing.length; i++) if (passing[i] && !which(i)) passing[i] = 0;
  };
  if (filters.classes) {
    const wanted = new Set(filters.classes);
    keep((i) => wanted.has(labels[i]));
  }
  for (const [variant, outcome] of [[first, filters.first], [second, filters.second]] as const) {
    if (outcome === "any") continue;
    const right = await study.right(variant, condition);
    keep((i) => right[i] === (outcome === "right" ? 1 : 0));
  }
  if (filters.lost && study.has("/fragility/first_lost")) {
    const methods = await study.texts("/fragility/method");
    const method = methods.indexOf(filters.lost.method);
    if (method >= 0) {
      const at = await study.read("/fragility/first_lost", [method], [1]);
      const { sparsity } = filters.lost;
      keep((i) => (sparsity === null ? Number.isNaN(at[i]) : Math.abs(at[i] - sparsity) < 1e-9));
    }
  }
  const group = groups.find(({ name }) => name === filters.group);
  if (group) keep((i) => group.members[i] === 1);
  return passing;
}

export function keepPassing(study: Study, store: Store): () => void {
  let last = 0;
  let said = "";
  let saidMembers: Uint8Array | undefined;
  const renew = (): void => {
    const { filters, first, second, condition, groups } = store.state;
    const key = JSON.stringify([{ ...filters, variants: null, conditions: null }, filters.first !== "any" && [first, condition], filters.second !== "any" && [second, condition]]);
    const members = groups.find(({ name }) => name === filters.group)?.members;
    if (key === said && members === saidMembers) return;
    said = key;
    saidMembers = members;
    const turn = ++last;
    void compute(study, store.state).then((passing) => { if (turn === last) store.set({ passing }); }, (error: Error) => console.error(error));
  };
  renew();
  return store.on(["filters", "first", "second", "condition", "groups"], renew);
}
