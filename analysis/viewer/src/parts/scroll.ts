/* Going to a view: it stays at the top while those above it are drawn and grow, until somebody scrolls, clicks or types. */
let staying: AbortController | null = null;

/** Lets the page be where it is. */
export function stay(): void { staying?.abort(); }

export function goTo(id: string | null): void {
  const target = id ? document.getElementById(id) : null, views = target?.parentElement;
  if (!target || !views) return;
  let top = 0, height = 0;
  const show = (): void => {
    target.scrollIntoView({ block: "start", behavior: "instant" });  // at once: a way that is gone slowly ends where the view was when it began
    [top, height] = [target.getBoundingClientRect().top, views.offsetHeight];
  };
  const grows = new ResizeObserver(show);
  stay();
  const until = (staying = new AbortController());
  const end = (): void => until.abort();
  until.signal.addEventListener("abort", () => grows.disconnect());
  grows.observe(views);
  // Captured, so that the key that led here does not end it.
  for (const what of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(what, end, { capture: true, passive: true, signal: until.signal });
  // By the scroll bar, too: the view has moved, and no other one has grown.
  addEventListener("scroll", () => {
    if (views.offsetHeight === height && Math.abs(target.getBoundingClientRect().top - top) > 2) end();
  }, { passive: true, signal: until.signal });
  show();
}
