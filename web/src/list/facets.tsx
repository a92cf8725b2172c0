/** What there is to narrow the list by: services, roots and states, with their counts. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getJson } from "../api/client.ts";
import { colourOf } from "../canvas/palette.ts";
import { formatCount } from "../format/numbers.ts";
import { hasTerm, replaceTerms, term } from "../query/query_text.ts";
import type { ListSession } from "./list_session.ts";

interface Facet {
  value: string;
  count: number;
}

interface Facets {
  services: Facet[];
  roots: Facet[];
  status: Facet[];
  looked_at: number;
  total: number;
}

const MOST = 12;

type Kind = "services" | "roots" | "status";

/** The terms that narrow by a kind of facet: only one of them makes sense at a time. */
const TERMS: Record<Kind, RegExp> = {
  services: /^service:/,
  roots: /^root:/,
  status: /^(error|trace\.errors=0)$/,
};

/** The term that a facet stands for. */
function termOf(kind: Kind, value: string): string {
  if (kind === "services") return term("service", value);
  if (kind === "roots") return term("root", value);
  return value === "error" ? "error" : "trace.errors=0";
}

/** Traces with an error and without; among the latter the query does not tell ok from unset. */
function statusFacets(status: Facet[]): Facet[] {
  const count = (isError: boolean): number =>
    status
      .filter(({ value }) => (value === "error") === isError)
      .reduce((sum, facet) => sum + facet.count, 0);
  return [
    { value: "error", count: count(true) },
    { value: "no error", count: count(false) },
  ].filter((facet) => facet.count > 0);
}

function FacetList({
  kind,
  title,
  facets,
  session,
}: {
  kind: Kind;
  title: string;
  facets: Facet[];
  session: ListSession;
}) {
  const all = useSignal(false);
  if (facets.length === 0) return null;
  const shown = all.value ? facets : facets.slice(0, MOST);
  return (
    <section class="facet">
      <h2>{title}</h2>
      <ul>
        {shown.map(({ value, count }) => {
          const wanted = termOf(kind, value);
          const isOn = hasTerm(session.query.value, wanted);
          return (
            <li key={value}>
              <button
                type="button"
                aria-pressed={isOn}
                title={value}
                onClick={() => {
                  const query = session.query.peek();
                  session.setQuery(replaceTerms(query, TERMS[kind], isOn ? [] : [wanted]));
                }}
              >
                {kind === "services" && <span class={`dot self-${colourOf(value)}`} />}
                {value === "error" && kind === "status" && (
                  <span class="badge-error" aria-hidden="true">
                    ✕
                  </span>
                )}
                <span class="facet-value">{value}</span>
                <span class="facet-count">{formatCount(count)}</span>
              </button>
            </li>
          );
        })}
      </ul>
      {facets.length > shown.length && (
        <button
          type="button"
          class="link facet-more"
          onClick={() => {
            all.value = true;
          }}
        >
          {facets.length - shown.length} more
        </button>
      )}
    </section>
  );
}

export function FacetPanel({ session }: { session: ListSession }) {
  const facets = useSignal<Facets | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    getJson<Facets>(`/api/facets?${session.filter()}`, abort.signal).then(
      (answer) => {
        facets.value = answer;
      },
      () => undefined, // the list itself reports what is wrong with the query
    );
    return () => abort.abort();
  }, [session.version.value]);
  const found = facets.value;
  if (found === null || found.services.length === 0) return null;
  return (
    <nav class="facets" aria-label="Narrow the list">
      <FacetList kind="services" title="Services" facets={found.services} session={session} />
      <FacetList kind="roots" title="Roots" facets={found.roots} session={session} />
      <FacetList
        kind="status"
        title="Status"
        facets={statusFacets(found.status)}
        session={session}
      />
      {found.looked_at < found.total && (
        <p class="hint">
          of the newest {formatCount(found.looked_at)} of {formatCount(found.total)} traces
        </p>
      )}
    </nav>
  );
}
