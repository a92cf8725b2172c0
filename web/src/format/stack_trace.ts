/** Stack traces as frames, so that the program's own can be told from those of libraries. */

export interface StackLine {
  kind: "file" | "code" | "text" | "error";
  text: string;
  path?: string;
  line?: number;
  /** Whether the frame is of a library or of the interpreter. */
  foreign?: boolean;
}

const PYTHON_FRAME = /^\s*(?:\| +)?File "([^"]+)", line (\d+)(?:, in (.+))?$/;
const FOREIGN = /site-packages|dist-packages|[\\/]lib[\\/]python\d|node_modules|^<frozen|^node:/;
const NODE_FRAME = /^\s+at .*?\(?((?:file:\/\/)?[^\s()]+):(\d+):\d+\)?$/;

/** Return the lines of a stack trace with what each of them is. */
export function parseStackTrace(text: string): StackLine[] {
  const lines: StackLine[] = [];
  let foreign = false;
  let inFrame = false;
  for (const line of text.replace(/\s+$/, "").split("\n")) {
    const frame = PYTHON_FRAME.exec(line) ?? NODE_FRAME.exec(line);
    if (frame) {
      foreign = FOREIGN.test(frame[1]!);
      inFrame = true;
      lines.push({ kind: "file", text: line, path: frame[1]!, line: Number(frame[2]), foreign });
    } else if (inFrame && /^\s/.test(line)) {
      lines.push({ kind: "code", text: line, foreign });
    } else {
      // After the frames comes the exception itself: a dotted name, and its text.
      const isError = inFrame && /^\s*(?:\| +)?[\p{L}_][\p{L}\p{N}_.]*(?:: |:?$)/u.test(line);
      inFrame = false;
      lines.push({ kind: isError ? "error" : "text", text: line });
    }
  }
  return lines;
}
