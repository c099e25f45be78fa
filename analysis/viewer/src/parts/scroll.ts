/* Going to a view: it stays at the top while those above it are drawn and grow, until somebody scrolls, clicks or types. */
let staying: AbortController | null = null;

/** Lets the page be where it is. */
export function stay(): void { staying?.abort(); }

export function goTo(id: string | null): void {
  const target = id ? document.getElementById(id) : null;
  if (!target?.parentElement) return;
  const show = (): void => target.scrollIntoView({ block: "start" });
  const grows = new ResizeObserver(show);
  stay();
  const until = (staying = new AbortController());
  until.signal.addEventListener("abort", () => grows.disconnect());
  grows.observe(target.parentElement);
  // Captured, so that the key that led here does not end it.
  for (const what of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(what, () => until.abort(), { capture: true, passive: true, signal: until.signal });
  show();
}
