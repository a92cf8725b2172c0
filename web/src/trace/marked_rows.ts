/** Which of the visible rows show, or hide, errors and matches. */
import { computed } from "@preact/signals";
import { placesOfRows, type RowMarks, rowMarks } from "../model/row_marks.ts";
import type { TraceSession } from "./session.ts";

const NONE: RowMarks = { places: new Int32Array(), hidden: new Set() };

export class MarkedRows {
  constructor(private readonly session: TraceSession) {}

  private readonly placeOf = computed(() => {
    const rows = this.session.rows.value;
    const model = this.session.model.value;
    return rows === null || model === null
      ? null
      : placesOfRows(rows, model.data.siblings, model.skeleton.spans);
  });

  readonly errors = computed(() => this.marksOf(this.session.model.value?.data.errors));
  readonly matches = computed(() => this.marksOf(this.session.search.matches.value?.inOrder));

  private marksOf(spans: Int32Array | undefined): RowMarks {
    const placeOf = this.placeOf.value;
    const model = this.session.model.value;
    if (spans === undefined || placeOf === null || model === null) return NONE;
    return rowMarks(spans, placeOf, model.data.tree);
  }
}
