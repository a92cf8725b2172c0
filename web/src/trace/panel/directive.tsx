/** "Turn this off, or up": the filter directive for a span, made by tracekit's own filter. */
import { useEffect, useState } from "preact/hooks";
import { getDirective } from "../../api/client.ts";
import type { Directive, DirectiveMode } from "../../api/types.ts";
import { formatCount } from "../../format/numbers.ts";
import { Icon } from "../../shell/icons.tsx";
import { copyText } from "../../shell/toast.tsx";

const MODES: [DirectiveMode, string][] = [
  ["silence", "Turn off"],
  ["deepen", "Show more below"],
  ["request", "Only this request"],
];

/** A line to copy; it names its use itself. */
function CopyLine({ label, text }: { label: string; text: string }) {
  return (
    <div class="directive-line" data-copy={text}>
      <code>{text}</code>
      <button
        type="button"
        class="icon-button"
        aria-label={`Copy ${label}`}
        title={`Copy ${label}`}
        onClick={() => void copyText(text, label)}
      >
        <Icon name="copy" />
      </button>
    </div>
  );
}

export function DirectiveView({ trace, span }: { trace: string; span: string }) {
  const [mode, setMode] = useState<DirectiveMode>("silence");
  const [answer, setAnswer] = useState<Directive | undefined>();
  const [failure, setFailure] = useState<string | undefined>();

  useEffect(() => {
    const abort = new AbortController();
    setFailure(undefined);
    getDirective(trace, span, mode, abort.signal).then(setAnswer, (error: Error) => {
      if (!abort.signal.aborted) setFailure(error.message);
    });
    return () => abort.abort();
  }, [trace, span, mode]);

  return (
    <div class="directive">
      <div class="segments" role="group" aria-label="What the filter does">
        {MODES.map(([name, title]) => (
          <button
            type="button"
            key={name}
            aria-pressed={mode === name}
            onClick={() => setMode(name)}
          >
            {title}
          </button>
        ))}
      </div>
      {failure !== undefined && <p class="hint is-error">{failure}</p>}
      {failure === undefined && answer !== undefined && (
        <>
          <p class="hint">{answer.explanation}</p>
          <CopyLine label="TRACEKIT_FILTER" text={answer.environment} />
          <CopyLine label="filter=" text={answer.filter} />
          <CopyLine label="set_filter" text={answer.set_filter} />
          {mode === "silence" && (
            <p class="hint">
              It would have removed <b>{formatCount(answer.removes)}</b> of {formatCount(answer.of)}{" "}
              stored spans.
            </p>
          )}
        </>
      )}
    </div>
  );
}
