/** The state of the trace page: what is open, what is seen, where the cursor is. */
import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { getTrace } from "../api/client.ts";
import { listenToTraces } from "../api/live.ts";
import { fromBase64, standalone } from "../api/standalone.ts";
import type { TraceSummary } from "../api/types.ts";
import type { CriticalPath } from "../model/critical_path.ts";
import {
  closedAbove,
  type FoldState,
  findItem,
  groupOf,
  isGroup,
  isOpen,
  type VisibleRows,
} from "../model/folding.ts";
import type { Lanes } from "../model/lanes.ts";
import type { MinimapPicture } from "../model/minimap.ts";
import type { NameRow } from "../model/names.ts";
import { motionIsReduced } from "../shell/settings.ts";
import { TraceWorker } from "../worker/client.ts";
import type { FoldMotion } from "./fold_motion.ts";
import { itemFromText, itemToText } from "./item_text.ts";
import { MarkedRows } from "./marked_rows.ts";
import { TraceModel } from "./model.ts";
import { TimeView } from "./time_view.ts";
import { TraceSearch } from "./trace_search.ts";

/** Deeper than any trace. */
export const MOST_DEPTH = 1e9;

export type Mode = "tree" | "lanes" | "names";

export class TraceSession {
  readonly id: string;
  readonly model = signal<TraceModel | null>(null);
  readonly summary = signal<TraceSummary | null>(null);
  readonly failure = signal<Error | null>(null);
  readonly rows = signal<VisibleRows | null>(null);
  readonly path = signal<CriticalPath | null>(null);
  readonly minimap = signal<MinimapPicture | null>(null);
  readonly lanes = signal<Lanes | null>(null);
  readonly names = signal<NameRow[] | null>(null);
  /** Whether spans of this trace have arrived since it was loaded. */
  readonly changed = signal(false);

  readonly mode = signal<Mode>("tree");
  readonly only = signal(false);
  readonly showPath = signal(true);
  readonly figure = signal<"total" | "self">("total");
  readonly depth = signal<number | null>(null);
  readonly toggled = signal<ReadonlySet<number>>(new Set());
  /** Items that are folded among the matches alone. */
  private readonly toggledMatches = signal<ReadonlySet<number>>(new Set());
  readonly group = signal(true);
  /** The item under the cursor: a row, a group, or null. */
  readonly cursor = signal<number | null>(null);
  readonly panelOpen = signal(true);
  readonly view = new TimeView();
  /** Rows from the top of the list to the top of the screen. */
  readonly scroll = signal(0);
  /** Rows that fit on the screen. */
  readonly page = signal(20);

  readonly fold: ReadonlySignal<FoldState>;
  private readonly worker = new TraceWorker();
  private readonly abort = new AbortController();
  readonly search: TraceSearch;
  private readonly stopListening: () => void;
  private foldNumber = 0;

  constructor(id: string) {
    this.id = id;
    this.search = new TraceSearch(id, this.worker, this.abort.signal);
    this.stopListening = listenToTraces(({ ids }) => {
      if (ids.includes(id) && this.model.peek() !== null) this.changed.value = true;
    });
    this.fold = computed(() => {
      const only = this.only.value ? this.search.matches.value?.marked : undefined;
      const depth = this.depth.value ?? this.model.value?.data.firstDepth ?? 1;
      return {
        // What matches may be deep: nothing of it is folded until it is toggled.
        depth: only === undefined ? depth : MOST_DEPTH,
        toggled: (only === undefined ? this.toggled : this.toggledMatches).value,
        group: this.group.value,
        only,
      };
    });
  }

  /** Load the trace. Its first rows are there when the promise is fulfilled. */
  async load(restore: (model: TraceModel) => void): Promise<void> {
    try {
      performance.mark("trace-load");
      getTrace(this.id, this.abort.signal).then(
        (summary) => {
          this.summary.value = summary;
        },
        () => undefined, // the request for the skeleton reports what is wrong
      );
      const file = await standalone();
      const data = await this.worker.call(
        "open",
        file === undefined
          ? { url: `/api/traces/${this.id}/skeleton` }
          : { skeleton: fromBase64(file.skeleton).buffer },
      );
      const model = new TraceModel(data);
      batch(() => {
        this.view.setEnd(model.end);
        restore(model);
        this.model.value = model;
        this.changed.value = false;
      });
      await this.refreshRows();
      performance.mark("trace-rows");
      if (this.cursor.peek() !== null) this.reveal(this.cursor.peek()!);
      // What follows may take longer than the rows: it comes when it is ready.
      this.minimap.value = await this.worker.call("minimap", null);
      this.path.value = await this.worker.call("path", null);
    } catch (error) {
      if (!this.abort.signal.aborted) this.failure.value = error as Error;
    }
  }

  /** Load the trace anew with what has arrived, and stay where the cursor and the folds are. */
  async reload(): Promise<void> {
    const before = this.model.peek();
    if (before === null) return;
    const { from, to, isWhole } = this.view;
    const range: [number, number] = [from.peek(), to.peek()];
    const cursor = this.cursor.peek();
    const text = (item: number): string => itemToText(item, before);
    const toggled = [...this.toggled.peek()].map(text);
    await this.load((model) => {
      const item = (name: string): number | undefined => itemFromText(name, model);
      const known = toggled.map(item).filter((one) => one !== undefined);
      this.toggled.value = new Set(known);
      this.cursor.value = cursor === null ? null : (item(text(cursor)) ?? null);
      this.lanes.value = null;
      this.names.value = null;
      if (!isWhole) this.view.jump(...range);
    });
    if (this.mode.peek() === "lanes") await this.needLanes();
    if (this.mode.peek() === "names") await this.needNames();
    if (this.search.query.peek() !== "") await this.find(this.search.query.peek());
  }

  close(): void {
    this.stopListening();
    this.abort.abort();
    this.worker.close();
  }

  readonly marks = new MarkedRows(this);

  /** The motion of the last fold; it is drawn once. */
  motion: FoldMotion | undefined;

  /** Ask the worker for the visible rows, after a change of what is folded. */
  async refreshRows(folded?: number): Promise<void> {
    const number = ++this.foldNumber;
    const { depth, toggled, group, only } = this.fold.peek();
    const rows = await this.worker.call("rows", {
      depth,
      toggled: Int32Array.from(toggled),
      group,
      only: only !== undefined,
    });
    if (number !== this.foldNumber) return;
    const before = this.rows.peek();
    const place = folded === undefined || before === null ? -1 : findItem(before, folded);
    this.motion =
      place < 0 || motionIsReduced()
        ? undefined
        : { place, delta: rows.item.length - before!.item.length, began: performance.now() };
    this.rows.value = rows;
    this.setScroll(this.scroll.peek());
  }

  async needLanes(): Promise<void> {
    this.lanes.value ??= await this.worker.call("lanes", null);
  }

  async needNames(): Promise<void> {
    this.names.value ??= await this.worker.call("names", null);
  }

  isOpen(item: number): boolean {
    const model = this.model.peek();
    return model !== null && isOpen(item, model.data.tree.depth, this.fold.peek());
  }

  toggle(item: number): void {
    if (!this.model.peek()?.hasChildren(item)) return;
    this.turn([item]);
    void this.refreshRows(item);
  }

  /** Turn items round, in the list that is shown. */
  private turn(items: Iterable<number>): void {
    const isOnly = this.fold.peek().only !== undefined;
    const target = isOnly ? this.toggledMatches : this.toggled;
    const next = new Set(target.peek());
    for (const item of items) if (!next.delete(item)) next.add(item);
    target.value = next;
  }

  unfoldTo(depth: number): void {
    batch(() => {
      this.depth.value = depth;
      this.toggled.value = new Set();
    });
    void this.refreshRows().then(() => this.showCursor());
  }

  setGroup(group: boolean): void {
    this.group.value = group;
    void this.refreshRows().then(() => this.showCursor());
  }

  setOnly(only: boolean): void {
    this.only.value = only;
    void this.refreshRows().then(() => this.showCursor());
  }

  /** The place of the cursor in the visible rows, or -1. */
  cursorPlace(): number {
    const rows = this.rows.peek();
    const cursor = this.cursor.peek();
    return rows === null || cursor === null ? -1 : findItem(rows, cursor);
  }

  moveTo(place: number): void {
    const rows = this.rows.peek();
    if (rows === null || rows.item.length === 0) return;
    const bounded = Math.max(0, Math.min(rows.item.length - 1, place));
    this.cursor.value = rows.item[bounded]!;
    this.scrollTo(bounded);
  }

  /** Scroll as little as is needed to show a row. */
  scrollTo(place: number, center = false): void {
    const page = this.page.peek();
    const top = this.scroll.peek();
    const margin = Math.min(2, Math.floor(page / 4));
    if (center && (place < top || place > top + page - 1)) this.setScroll(place - page / 3);
    else if (place < top + margin) this.setScroll(place - margin);
    else if (place > top + page - 1 - margin) this.setScroll(place - page + 1 + margin);
  }

  setScroll(top: number): void {
    const rows = this.rowCount.peek();
    this.scroll.value = Math.max(0, Math.min(rows - this.page.peek() + 0.5, top));
  }

  readonly rowCount: ReadonlySignal<number> = computed(() => {
    if (this.mode.value === "lanes") {
      const starts = this.lanes.value?.trackStart;
      return starts === undefined ? 0 : starts[starts.length - 1]!;
    }
    return this.rows.value?.item.length ?? 0;
  });

  private showCursor(): void {
    const place = this.cursorPlace();
    if (place >= 0) this.scrollTo(place, true);
    else this.setScroll(this.scroll.peek());
  }

  /** Put the cursor on an item, and unfold what hides it. */
  reveal(item: number): void {
    const model = this.model.peek();
    if (model === null) return;
    this.cursor.value = item;
    if (this.cursorPlace() >= 0) {
      this.showCursor();
      return;
    }
    // Among the matches alone nothing is deep: what is not there does not match.
    this.only.value = false;
    const { tree, siblings } = model.data;
    const start = isGroup(item) ? tree.parent[model.rowOfItem(item)]! : item;
    const closed = start < 0 ? [] : closedAbove(start, tree, siblings, this.fold.peek());
    if (isGroup(item) && start >= 0 && !this.isOpen(start)) closed.push(start);
    this.turn(new Set(closed));
    void this.refreshRows().then(() => this.showCursor());
  }

  /** Go to the next row of a list in the order of the tree, round the end. */
  step(list: Int32Array, direction: 1 | -1): void {
    const model = this.model.peek();
    if (model === null || list.length === 0) return;
    const { place } = model.data.tree;
    const cursor = this.cursor.peek();
    const here =
      cursor === null ? -1 : place[model.rowOfItem(cursor)]! - (isGroup(cursor) ? 0.5 : 0);
    let found: number | undefined;
    if (direction > 0) found = list.find((row) => place[row]! > here) ?? list[0];
    else found = list.findLast((row) => place[row]! < here) ?? list[list.length - 1];
    this.reveal(found!);
    this.view.include(model.skeleton.startTime[found!]!, model.data.ends[found!]!);
  }

  /** Search within the trace; an empty query ends the search. */
  async find(query: string): Promise<void> {
    if (query.trim() === "") this.only.value = false;
    this.toggledMatches.value = new Set();
    if (await this.search.find(query)) await this.refreshRows();
  }

  /** The rows of the group under the cursor, or undefined. */
  cursorGroup(): Int32Array | undefined {
    const cursor = this.cursor.value;
    const model = this.model.value;
    return cursor !== null && isGroup(cursor) && model ? model.members(groupOf(cursor)) : undefined;
  }
}
