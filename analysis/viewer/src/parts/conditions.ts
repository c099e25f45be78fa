/* Conditions by their names: gaussian_noise/3 is the corruption gaussian_noise of severity 3. */
import type { Study } from "../study/study";

/** The corruptions among the conditions, in their order. */
export function corruptions(study: Study): string[] {
  return [...new Set(study.conditions.filter((name) => name.includes("/")).map((name) => name.slice(0, name.lastIndexOf("/"))))];
}

/** Numbers of the conditions of a corruption, the weakest first. */
export function severities(study: Study, corruption: string): number[] {
  const of = (name: string): number => Number(name.slice(name.lastIndexOf("/") + 1));
  return study.conditions.map((name, i) => [name, i] as const).filter(([name]) => corruption !== "" && name.slice(0, name.lastIndexOf("/")) === corruption)
    .sort(([a], [b]) => of(a) - of(b)).map(([, i]) => i);
}
