/* Work that waits until its place is near what is seen: a page of many views does not draw what nobody looks at. */

/** Gives back how to ask for the work (at most once a frame; now, or when its place comes near), and what ends all that. */
export function whenNear(where: Element, work: () => void): { ask: () => void; end: () => void } {
  let near = true, due = false, asked = 0;
  const ask = (): void => {
    if (asked) return;
    due = !near;
    if (near) asked = requestAnimationFrame(() => { asked = 0; work(); });
  };
  const observer = new IntersectionObserver((entries) => {
    near = entries[entries.length - 1].isIntersecting;
    if (near && due) ask();
  }, { rootMargin: "30px" });
  observer.observe(where);
  return { ask, end: () => { observer.disconnect(); cancelAnimationFrame(asked); } };
}
