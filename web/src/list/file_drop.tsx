/** Files that are dropped onto the page, and the state of those that are read. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { serverStatus } from "../api/live.ts";
import { formatCount, formatShare } from "../format/numbers.ts";
import { plural } from "../format/text.ts";

/** What the server answers: what was read, or why nothing was. */
interface FileAnswer {
  path: string;
  lines: number;
  spans: number;
  bad_lines: number;
  first_bad_line: number | null;
  error: string | { message: string } | null;
}

const isOver = signal(false);
const notices = signal<{ text: string; isError: boolean }[]>([]);

async function send(file: File): Promise<void> {
  const report = (text: string, isError: boolean): void => {
    notices.value = [...notices.peek(), { text: `${file.name}: ${text}`, isError }];
  };
  try {
    const response = await fetch("/api/files", {
      method: "POST",
      headers: {
        "X-File-Name": encodeURIComponent(file.name),
        "Content-Type": "application/octet-stream",
      },
      body: file,
    });
    const answer = (await response.json()) as FileAnswer;
    const { error } = answer;
    const reason = typeof error === "string" ? error : (error?.message ?? "");
    if (!response.ok) {
      report(reason, true);
      return;
    }
    const bad =
      answer.bad_lines > 0
        ? `, ${formatCount(answer.bad_lines)} ${plural(answer.bad_lines, "line")} skipped (line ${answer.first_bad_line}: ${reason})`
        : "";
    report(
      `${formatCount(answer.spans)} ${plural(answer.spans, "span")}${bad}`,
      answer.spans === 0,
    );
  } catch (error) {
    report((error as Error).message, true);
  }
}

/** Files that are still read, or that have lines which are not OTLP. */
function FileStates() {
  const files = serverStatus.value?.files ?? [];
  const shown = files.filter(
    ({ read, size, bad_lines, state }) => read < size || bad_lines > 0 || state === "failed",
  );
  return (
    <>
      {shown.map((file) => (
        <p class="notice" key={file.path}>
          <span class="mono">{file.path}</span> {formatShare(file.read, file.size)} read,{" "}
          {formatCount(file.lines)} {plural(file.lines, "line")}
          {file.bad_lines > 0 && (
            <span class="is-warning">
              , <span aria-hidden="true">⚠ </span>
              {formatCount(file.bad_lines)} skipped, the first is line {file.first_bad_line}
            </span>
          )}
        </p>
      ))}
    </>
  );
}

export function FileDrop() {
  useEffect(() => {
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const hasFiles = (event: DragEvent): boolean =>
      event.dataTransfer?.types.includes("Files") ?? false;
    addEventListener(
      "dragover",
      (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        isOver.value = true;
      },
      options,
    );
    addEventListener(
      "dragleave",
      (event) => {
        if (event.relatedTarget === null) isOver.value = false;
      },
      options,
    );
    addEventListener(
      "drop",
      (event) => {
        isOver.value = false;
        if (!hasFiles(event)) return;
        event.preventDefault();
        for (const file of event.dataTransfer?.files ?? []) void send(file);
      },
      options,
    );
    return () => abort.abort();
  }, []);
  return (
    <>
      {isOver.value && <div class="drop-target">Drop OTLP JSON lines here</div>}
      <FileStates />
      {notices.value.map(({ text, isError }) => (
        <p class={`notice ${isError ? "is-error" : ""}`} role="status" key={text}>
          {text}
          <button
            type="button"
            class="link"
            onClick={() => {
              notices.value = notices.peek().filter((one) => one.text !== text);
            }}
          >
            close
          </button>
        </p>
      ))}
    </>
  );
}
