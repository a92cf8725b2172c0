/** The names in the trace: count, total, self, on the critical path, slowest. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { colourOf } from "../canvas/palette.ts";
import { formatCount, formatDuration, formatShare } from "../format/numbers.ts";
import type { NameRow } from "../model/names.ts";
import type { TraceSession } from "./session.ts";

type Column = "count" | "errors" | "total" | "self" | "critical" | "longest";

const COLUMNS: [Column, string, string][] = [
  ["count", "Count", "How many spans have the name"],
  ["errors", "Errors", "How many of them failed"],
  ["total", "Total", "Sum of their durations; those at the same time count each"],
  ["self", "Self", "Time in which none of their children ran"],
  ["critical", "Critical", "Time on the critical path"],
  ["longest", "Slowest", "The longest of them"],
];
const MOST_ROWS = 500;

export function NamesTable({ session }: { session: TraceSession }) {
  const sort = useSignal<Column>("self");
  const ascending = useSignal(false);
  const all = useSignal(false);

  useEffect(() => {
    void session.needNames();
  }, [session]);

  const model = session.model.value;
  const names = session.names.value;
  if (model === null || names === null) return <p class="loading">Counting names…</p>;
  const sign = ascending.value ? 1 : -1;
  const sorted = [...names].sort((a, b) => sign * (a[sort.value] - b[sort.value]));
  const shown = all.value ? sorted : sorted.slice(0, MOST_ROWS);
  const most = names.reduce((value, row) => Math.max(value, row[sort.value]), 1);

  const sortBy = (column: Column): void => {
    if (sort.peek() === column) ascending.value = !ascending.peek();
    else {
      sort.value = column;
      ascending.value = false;
    }
  };
  const searchFor = (row: NameRow): void => {
    session.mode.value = "tree";
    void session.find(`name:${JSON.stringify(model.skeleton.names[row.name] ?? "")}`);
  };
  const cell = (row: NameRow, column: Column): string => {
    if (column === "count") return formatCount(row.count);
    if (column === "errors") return row.errors === 0 ? "" : `✕ ${formatCount(row.errors)}`;
    return row[column] === 0 ? "–" : formatDuration(row[column]);
  };
  return (
    <div class="names" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Service</th>
            {COLUMNS.map(([column, title, hint]) => (
              <th
                scope="col"
                key={column}
                class="figure"
                aria-sort={
                  sort.value === column ? (ascending.value ? "ascending" : "descending") : "none"
                }
              >
                <button type="button" title={hint} onClick={() => sortBy(column)}>
                  {title}
                  {sort.value === column && (
                    <span aria-hidden="true">{ascending.value ? " ↑" : " ↓"}</span>
                  )}
                </button>
              </th>
            ))}
            <th scope="col" class="names-bar">
              <span class="visually-hidden">Share</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => {
            const service = model.skeleton.services[row.service] ?? "";
            const colour = colourOf(service);
            return (
              <tr key={`${row.name} ${row.service}`}>
                <th scope="row">
                  <button
                    type="button"
                    class="link-quiet"
                    title="Search for it in the waterfall"
                    onClick={() => searchFor(row)}
                  >
                    {model.skeleton.names[row.name]}
                  </button>
                </th>
                <td class="muted">
                  <span class={`dot self-${colour}`} /> {service}
                </td>
                {COLUMNS.map(([column]) => (
                  <td key={column} class={`figure ${column === "errors" ? "is-error" : ""}`}>
                    {column === "longest" ? (
                      <button
                        type="button"
                        class="link-quiet"
                        title="Go to the slowest"
                        onClick={() => {
                          session.mode.value = "tree";
                          session.reveal(row.slowest);
                        }}
                      >
                        {cell(row, column)}
                      </button>
                    ) : (
                      cell(row, column)
                    )}
                  </td>
                ))}
                <td class="names-bar">
                  <div
                    class={`share-bar fill-${colour}`}
                    style={{ width: `${(row[sort.value] / most) * 100}%` }}
                  >
                    <span class="visually-hidden">{formatShare(row[sort.value], most)}</span>
                  </div>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {shown.length < sorted.length && (
        <p class="hint">
          {formatCount(shown.length)} of {formatCount(sorted.length)} names{" "}
          <button
            type="button"
            class="link"
            onClick={() => {
              all.value = true;
            }}
          >
            show all
          </button>
        </p>
      )}
    </div>
  );
}
