/* Elements, made in one call. Whatever text comes from a file goes in as text. */

type Child = Node | string | null | undefined | false;
type Properties = Record<string, unknown>;

function put(element: Element, properties: Properties, children: Child[]): void {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "class") element.setAttribute("class", String(value));
    else if (name in element && !(element instanceof SVGElement) && !name.includes("-") && name !== "list" && name !== "style") (element as unknown as Properties)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, properties: Properties = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  put(element, properties, children);
  return element;
}

export function svg<K extends keyof SVGElementTagNameMap>(tag: K, properties: Properties = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  put(element, properties, children);
  return element;
}

/** Calls `draw` with the element's width, now and whenever it changes; until the returned function is called. */
export function onWidth(element: HTMLElement, draw: (width: number) => void): () => void {
  let last = -1;
  const observer = new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width > 0 && width !== last) {
      last = width;
      draw(width);
    }
  });
  observer.observe(element);
  return () => observer.disconnect();
}

/* Asked for in every frame that is drawn, where it would make the browser settle the style in between: kept for a theme. */
const known = new Map<string, string>();
document.addEventListener("facet-theme", () => known.clear());

/** The value of a colour (or another property) of the page's style: css("--ink"). */
export function css(name: string): string {
  let value = known.get(name);
  if (!value) known.set(name, value = getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return value;
}

/** Calls `what` when dark turns light or the other way round, for what is drawn on a canvas. */
export function onTheme(what: () => void): () => void {
  document.addEventListener("facet-theme", what);
  return () => document.removeEventListener("facet-theme", what);
}
