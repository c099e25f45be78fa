/* What is seen, as a file: SVG and PNG of a view's pictures, CSV of tables. The style's colours are written into the
 * picture, so that it looks the same elsewhere. */
import { css, h } from "./dom";

/** What a canvas shows, as paths for a file, where it has no need of pixels. */
export interface VectorPath { d: string; fill: string; opacity: number }
const drawn = new WeakMap<HTMLCanvasElement, () => VectorPath[]>();
export function drawsPaths(canvas: HTMLCanvasElement, paths: () => VectorPath[]): void { drawn.set(canvas, paths); }

function save(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name.replace(/[^\w.+-]+/g, "-") });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const STYLED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "fill-opacity", "opacity", "font-size", "font-family", "font-weight",
  "font-style", "text-anchor", "dominant-baseline", "visibility", "display", "paint-order", "letter-spacing"] as const;

function styled(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  to.setAttribute("style", STYLED.map((name) => [name, style.getPropertyValue(name)]).filter(([, value]) => value).map(([name, value]) => `${name}:${value}`).join(";"));
  for (let i = 0; i < from.children.length; i++) styled(from.children[i], to.children[i]);
}

/* What a view draws: its SVGs, canvases and texts of HTML, each at its place, as one SVG; also what would have to be
 * scrolled to. */
function picture(where: HTMLElement): { svg: SVGSVGElement; width: number; height: number } {
  where.classList.add("exporting");
  try {
    return drawing(where);
  } finally {
    where.classList.remove("exporting");
  }
}

const MARGIN = 12;
function drawing(where: HTMLElement): { svg: SVGSVGElement; width: number; height: number } {
  const box = where.getBoundingClientRect();
  const space = "http://www.w3.org/2000/svg";
  const out = document.createElementNS(space, "svg");
  const width = Math.ceil(Math.max(box.width, where.scrollWidth)) + 2 * MARGIN;
  const height = Math.ceil(Math.max(box.height, where.scrollHeight)) + 2 * MARGIN;
  out.setAttribute("xmlns", space);
  out.setAttribute("width", String(width));
  out.setAttribute("height", String(height));
  out.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${width} ${height}`);
  const ground = out.appendChild(document.createElementNS(space, "rect"));
  for (const [name, value] of [["x", -MARGIN], ["y", -MARGIN], ["width", width], ["height", height]] as const) ground.setAttribute(name, String(value));
  ground.setAttribute("fill", css("--ground") || "#ffffff");
  const add = (element: Element): void => {
    const style = getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden" || element.closest("[data-no-export]")) return;
    const at = element.getBoundingClientRect();
    const x = at.left - box.left + where.scrollLeft;
    const y = at.top - box.top + where.scrollTop;
    if (element instanceof SVGSVGElement) {
      const copy = element.cloneNode(true) as SVGSVGElement;
      styled(element, copy);
      copy.setAttribute("x", String(x));
      copy.setAttribute("y", String(y));
      copy.setAttribute("width", String(at.width));
      copy.setAttribute("height", String(at.height));
      out.append(copy);
    } else if (element instanceof HTMLCanvasElement && drawn.has(element)) {
      for (const { d, fill, opacity } of drawn.get(element)?.() ?? []) {
        const path = out.appendChild(document.createElementNS(space, "path"));
        for (const [name, value] of [["d", d], ["fill", fill], ["opacity", opacity], ["transform", `translate(${x} ${y})`]] as const) path.setAttribute(name, String(value));
      }
    } else if (element instanceof HTMLCanvasElement || element instanceof HTMLImageElement) {
      const image = document.createElementNS(space, "image");
      let source = "";
      if (element instanceof HTMLCanvasElement) source = element.toDataURL("image/png");
      else {
        const canvas = h("canvas", { width: element.naturalWidth, height: element.naturalHeight });
        canvas.getContext("2d")?.drawImage(element, 0, 0);
        source = canvas.toDataURL("image/png");
      }
      image.setAttribute("href", source);
      for (const [name, value] of [["x", x], ["y", y], ["width", at.width], ["height", at.height]] as const) image.setAttribute(name, String(value));
      image.setAttribute("preserveAspectRatio", "none");
      image.setAttribute("style", `image-rendering:${style.imageRendering};opacity:${style.opacity}`);
      out.append(image);
    } else if (element instanceof HTMLSelectElement) {
      write(out, element.selectedOptions[0]?.text ?? "", x + 6, y + 0.68 * at.height, style);
    } else if (element instanceof HTMLInputElement) {
      if (element.type === "checkbox" || element.type === "radio") write(out, element.checked ? "\u2611" : "\u2610", x, y + 0.9 * at.height, style);
    } else {
      if (style.backgroundColor !== "rgba(0, 0, 0, 0)" && at.width && at.height) {
        const rect = document.createElementNS(space, "rect");
        for (const [name, value] of [["x", x], ["y", y], ["width", at.width], ["height", at.height]] as const) rect.setAttribute(name, String(value));
        rect.setAttribute("fill", style.backgroundColor);
        out.append(rect);
      }
      for (const node of element.childNodes) {
        if (node instanceof Text && node.data.trim()) lines(node, style, box, where, out);
        else if (node instanceof Element) add(node);
      }
    }
  };
  for (const child of where.children) add(child);
  return { svg: out, width, height };
}

/* A text of HTML, line by line as it is broken. */
function lines(node: Text, style: CSSStyleDeclaration, box: DOMRect, where: HTMLElement, out: SVGSVGElement): void {
  const range = document.createRange();
  const parts: { text: string; rect: DOMRect }[] = [];
  for (const match of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].trimEnd().length);
    const rect = range.getBoundingClientRect();
    if (!rect.width) continue;
    const last = parts[parts.length - 1];
    if (last && Math.abs(last.rect.top - rect.top) < 2) {
      last.text += ` ${match[0].trimEnd()}`;
    } else {
      parts.push({ text: match[0].trimEnd(), rect });
    }
  }
  for (const { text, rect } of parts) {
    write(out, style.textTransform === "uppercase" ? text.toUpperCase() : text, rect.left - box.left + where.scrollLeft, rect.top - box.top + where.scrollTop + 0.78 * rect.height, style);
  }
}

function write(out: SVGSVGElement, text: string, x: number, y: number, style: CSSStyleDeclaration): void {
  const line = document.createElementNS(out.namespaceURI as string, "text") as SVGTextElement;
  line.textContent = text;
  line.setAttribute("x", String(x));
  line.setAttribute("y", String(y));
  line.setAttribute("style", `fill:${style.color};font-size:${style.fontSize};font-family:${style.fontFamily.replace(/"/g, "'")};font-weight:${style.fontWeight};font-style:${style.fontStyle}`);
  out.append(line);
}

const text = (svg: SVGSVGElement): string => `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(svg)}\n`;

export function saveSvg(where: HTMLElement, name: string): void {
  save(`${name}.svg`, new Blob([text(picture(where).svg)], { type: "image/svg+xml" }));
}

export async function savePng(where: HTMLElement, name: string, scale = 2): Promise<void> {
  const { svg, width, height } = picture(where);
  const image = new Image();
  await new Promise((done, failed) => {
    image.onload = done;
    image.onerror = () => failed(new Error("the picture cannot be drawn"));
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(svg))}`;
  });
  const canvas = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob) save(`${name}.png`, blob);
}

/** Rows as CSV (RFC 4180), the first with the names of the columns. */
function csv(rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string => {
    const as = typeof value === "number" ? (Number.isNaN(value) ? "" : String(value)) : value;
    return /[",\r\n]/.test(as) ? `"${as.replace(/"/g, '""')}"` : as;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
export function saveCsv(rows: readonly (readonly (string | number)[])[], name: string): void {
  save(`${name}.csv`, new Blob([csv(rows)], { type: "text/csv" }));
}
