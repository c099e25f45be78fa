/* Going to a view: it stays at the top while those above it are drawn and grow, until somebody scrolls, clicks or types. */
export function goTo(id: string | null): void {
  const target = id ? document.getElementById(id) : null;
  if (!target?.parentElement) return;
  const show = (): void => target.scrollIntoView({ block: "start" });
  const stay = new ResizeObserver(show);
  stay.observe(target.parentElement);
  for (const what of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(what, () => stay.disconnect(), { once: true, passive: true });
  show();
}
