/* Moving about in a picture of a plane: dragging moves it, the wheel with Ctrl (or two fingers) and the keys + and - make it larger and
 * smaller about the pointer or the cursor, 0 shows all of it again; arrows move a cursor. Several pictures may share what they show. */
import type { Plot } from "./plot";

/** The middle of what is shown, and how much larger than all of it. */
export interface Look { u: number; v: number; zoom: number }
export interface Field { left: number; right: number; low: number; high: number }
/** What a picture shows now: its inner place in pixels, and of the plane the left and upper end and how much a pixel is. */
export interface Shown { x: number; y: number; width: number; height: number; left: number; top: number; unit: number }

/** As an address says it: the middle and how much larger, as many digits as are seen; and back, null: it says none. */
export const saidLook = ({ u, v, zoom }: Look): string => [u, v, zoom].map((value) => Number(value.toPrecision(12))).join(",");
export function lookOf(said: string, least = 1): Look | null {
  const numbers = said.split(",").map(Number), [u, v, zoom] = numbers;
  return said && numbers.length === 3 && numbers.every(Number.isFinite) && zoom >= least ? { u, v, zoom } : null;
}

const LARGEST = 1e7, STEP = 1.5, ARROW = 8;

export const all = ({ left, right, low, high }: Field): Look => ({ u: (left + right) / 2, v: (low + high) / 2, zoom: 1 });

/** Nearer by a factor, with (u, v) staying where it is; never off the field. */
export function nearer(look: Look, field: Field, factor: number, u = look.u, v = look.v): Look {
  const zoom = Math.min(LARGEST, Math.max(1, look.zoom * factor)), share = look.zoom / zoom;
  return held({ u: u + (look.u - u) * share, v: v + (look.v - v) * share, zoom }, field);
}

function held({ u, v, zoom }: Look, { left, right, low, high }: Field): Look {
  const within = (value: number, from: number, to: number): number => {
    const half = (to - from) / 2 / zoom;
    return Math.min(to - half, Math.max(from + half, value));
  };
  return { u: within(u, left, right), v: within(v, low, high), zoom };
}

/** What shows a look of a field in a place: all of it fits, upright. */
export function shownAt(look: Look, { left, right, low, high }: Field, place: { x: number; y: number; width: number; height: number }): Shown {
  const unit = Math.max((right - left) / place.width, (high - low) / place.height) / look.zoom;
  return { ...place, unit, left: look.u - (unit * place.width) / 2, top: look.v + (unit * place.height) / 2 };
}

interface Options {
  field: () => Field | null;                       // null: nothing is shown
  shown: () => Shown;
  look: () => Look;
  move: (look: Look) => void;
  /** The pointer or the cursor is at (u, v); null: it has gone. */
  point: (at: readonly [u: number, v: number] | null, x: number, y: number) => void;
}

/** Makes a picture movable; what is heard ends with the picture's element. */
export function moving(plot: Plot, { field, shown, look, move, point }: Options): void {
  const { root } = plot;
  let grabbed: readonly [number, number] | null = null, cursor: readonly [number, number] | null = null;
  const place = (event: MouseEvent): readonly [number, number] | null => {
    const { x, y, width, height, left, top, unit } = shown(), [px, py] = plot.at(event);
    return px >= x && py >= y && px <= x + width && py <= y + height ? [left + (px - x) * unit, top - (py - y) * unit] : null;
  };
  const tell = (at: readonly [number, number]): void => {
    const { x, y, left, top, unit } = shown(), box = root.getBoundingClientRect();
    point(at, box.left + x + (at[0] - left) / unit, box.top + y + (top - at[1]) / unit);
  };
  root.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !field() || (event.target as Element).closest(".hot")) return;
    grabbed = place(event);
    if (grabbed) root.setPointerCapture(event.pointerId);
  });
  root.addEventListener("pointermove", (event) => {
    const where = field();
    if (!where) return;
    if (!grabbed) {
      const at = place(event);
      return point(at, event.clientX, event.clientY);
    }
    const { x, y, left, top, unit } = shown(), [px, py] = plot.at(event), now = look();
    move(held({ ...now, u: now.u + grabbed[0] - (left + (px - x) * unit), v: now.v + grabbed[1] - (top - (py - y) * unit) }, where));
    point(null, 0, 0);
  });
  for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => { grabbed = null; });
  root.addEventListener("pointerleave", () => point(null, 0, 0));
  root.addEventListener("wheel", (event) => {
    const where = field(), at = place(event);
    if (!event.ctrlKey || !where || !at) return;
    event.preventDefault();
    move(nearer(look(), where, Math.exp(-event.deltaY / 200), ...at));
    point(place(event), event.clientX, event.clientY);
  }, { passive: false });
  root.addEventListener("dblclick", (event) => {
    const where = field(), at = place(event);
    if (!where || !at) return;
    move(nearer(look(), where, event.shiftKey ? 1 / STEP ** 2 : STEP ** 2, ...at));
    point(place(event), event.clientX, event.clientY);
  });
  root.addEventListener("blur", () => {
    cursor = null;
    point(null, 0, 0);
  });
  root.addEventListener("keydown", (event) => {
    const where = field(), now = look(), step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!where || event.target !== root || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) {
      const { width, height, left, top, unit } = shown(), within = (value: number, from: number, to: number): number => Math.min(to, Math.max(from, value));
      const [u, v] = cursor ?? [now.u, now.v];
      cursor = [within(u + step[0] * ARROW * unit, left, left + width * unit), within(v + step[1] * ARROW * unit, top - height * unit, top)];
    } else if (event.key === "+" || event.key === "=") move(nearer(now, where, STEP, ...(cursor ?? [])));
    else if (event.key === "-") move(nearer(now, where, 1 / STEP, ...(cursor ?? [])));
    else if (event.key === "0") move(all(where));
    else return;
    event.preventDefault();
    if (cursor) tell(cursor);
  });
}
