/**
 * The text of the visible rows in the DOM: what is read, selected, focused and heard.
 *
 * A pool of elements is filled anew as the list scrolls. Nothing is created while scrolling, and
 * only what differs is written.
 */
import { cutMiddle } from "../format/text.ts";
import type { VisibleRows } from "../model/folding.ts";
import { DURATION_WIDTH, type Indentation, textX } from "./layout.ts";
import type { TraceModel } from "./model.ts";
import { type RowText, rowText } from "./row_text.ts";

/** The mean width of a character of the row's type, in pixels. */
const CHARACTER = 7;
const BADGE = 16;

interface Slot {
  row: HTMLElement;
  nameCell: HTMLElement;
  error: HTMLElement;
  warning: HTMLElement;
  name: HTMLElement;
  count: HTMLElement;
  aside: HTMLElement;
  figure: HTMLElement;
  spoken: HTMLElement;
  key: string;
}

export interface MirrorState {
  model: TraceModel;
  rows: VisibleRows;
  first: number;
  last: number;
  /** Return y of a row. */
  y: (place: number) => number;
  indent: Indentation;
  nameWidth: number;
  figure: "total" | "self";
  cursor: number | null;
  isOpen: (item: number) => boolean;
  marked: Uint8Array | undefined;
  /** Places of rows that hide a failed span. */
  hidesError: ReadonlySet<number>;
  /** Rows that are shown for the sake of those below them. */
  dimmed: boolean;
}

function element(tag: string, className: string, role?: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  if (role) made.setAttribute("role", role);
  return made;
}

function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

function setAttribute(target: HTMLElement, name: string, value: string | null): void {
  if (value === null) target.removeAttribute(name);
  else if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

export class RowMirror {
  private readonly slots: Slot[] = [];

  constructor(private readonly container: HTMLElement) {}

  /** Show the rows of a state. Place p uses slot p modulo the pool, so that scrolling moves few texts. */
  update(state: MirrorState): void {
    const { first, last, rows } = state;
    const needed = last - first;
    while (this.slots.length < needed) this.slots.push(this.makeSlot());
    setAttribute(this.container, "aria-rowcount", String(rows.item.length));
    const used = new Set<number>();
    let active: string | null = null;
    for (let place = first; place < last; place++) {
      const index = place % this.slots.length;
      used.add(index);
      const slot = this.slots[index]!;
      this.fill(slot, place, state);
      if (rows.item[place] === state.cursor) active = slot.row.id;
    }
    this.slots.forEach((slot, index) => {
      slot.row.hidden = !used.has(index);
    });
    setAttribute(this.container, "aria-activedescendant", active);
  }

  private makeSlot(): Slot {
    const row = element("div", "row", "row");
    row.id = `row-${this.slots.length}`;
    const nameCell = element("div", "row-name", "gridcell");
    const error = element("span", "badge badge-error");
    error.textContent = "✕";
    error.setAttribute("aria-hidden", "true");
    const warning = element("span", "badge badge-warning");
    warning.textContent = "⚠";
    warning.setAttribute("aria-hidden", "true");
    const name = element("span", "row-text");
    const count = element("span", "row-count");
    const aside = element("span", "row-aside");
    nameCell.append(error, warning, name, count, aside);
    const figure = element("div", "row-figure", "gridcell");
    const spoken = element("div", "row-spoken", "gridcell");
    row.append(nameCell, figure, spoken);
    this.container.append(row);
    return { row, nameCell, error, warning, name, count, aside, figure, spoken, key: "" };
  }

  private fill(slot: Slot, place: number, state: MirrorState): void {
    const { model, rows, indent, nameWidth, figure } = state;
    const item = rows.item[place]!;
    const depth = rows.depth[place]!;
    const x = textX(depth, indent);
    const row = model.rowOfItem(item);
    const { classList, style } = slot.row;
    style.transform = `translateY(${state.y(place)}px)`;
    classList.toggle("is-selected", item === state.cursor);
    const isMatch = state.marked?.[row] === 1;
    classList.toggle("is-match", isMatch);
    classList.toggle("is-dimmed", state.dimmed && !isMatch);
    setAttribute(slot.row, "aria-selected", String(item === state.cursor));
    const open = model.hasChildren(item) ? String(state.isOpen(item)) : null;
    setAttribute(slot.row, "aria-expanded", open);
    const hides = state.hidesError.has(place);
    const key = `${item} ${depth} ${x} ${nameWidth} ${figure} ${place} ${hides}`;
    if (slot.key === key) return;
    slot.key = key;
    setAttribute(slot.row, "aria-rowindex", String(place + 1));
    setAttribute(slot.row, "aria-level", String(depth + 1));
    this.write(slot, rowText(model, item, figure), x, nameWidth, hides);
  }

  private write(slot: Slot, text: RowText, x: number, nameWidth: number, hides: boolean): void {
    slot.nameCell.style.width = `${nameWidth}px`;
    slot.nameCell.style.paddingLeft = `${x}px`;
    slot.error.hidden = !text.failed && !hides;
    slot.error.classList.toggle("is-below", !text.failed && hides);
    slot.warning.hidden = !text.warning;
    const badges = (text.failed || hides ? BADGE : 0) + (text.warning ? BADGE : 0);
    const room = (nameWidth - x - badges - 8) / CHARACTER - text.count.length;
    const most = Math.max(6, Math.floor(room));
    setText(slot.name, cutMiddle(text.name, most) + (text.links ? " ⇢" : ""));
    setText(slot.count, text.count);
    setText(slot.aside, text.aside);
    slot.figure.style.width = `${DURATION_WIDTH}px`;
    setText(slot.figure, text.figure);
    setText(slot.spoken, hides ? `${text.spoken}. A failed span is folded below.` : text.spoken);
  }
}
