/* The selected samples as a table: what they are, and what the two compared variants make of them. */
import { counted } from "../state/store";
import { METRICS } from "../study/study";
import type { Context } from "../views/view";

export async function selectionTable({ study, store }: Context): Promise<(string | number)[][]> {
  const state = store.state;
  const samples = counted(state);
  const pair = state.first === state.second ? [state.first] : [state.first, state.second];
  const columns: { name: string; of: (i: number) => string | number }[] = [
    { name: "sample", of: (i) => i },
    { name: "label", of: (i) => (study.labels[i] < 0 ? "" : study.classes[study.labels[i]]) },
  ];
  for (const variant of pair) {
    const { name } = study.variants[variant];
    const predicted = await study.predicted(variant, state.condition);
    columns.push({ name: `${name} class`, of: (i) => study.classes[predicted[i]] ?? "" });
    for (const metric of METRICS) {
      const column = await study.column(metric, variant, state.condition);
      columns.push({ name: `${name} ${metric}`, of: (i) => column[i] });
    }
  }
  const rows: (string | number)[][] = [columns.map(({ name }) => name)];
  for (let i = 0; i < samples.length; i++) if (samples[i]) rows.push(columns.map(({ of }) => of(i)));
  return rows;
}
