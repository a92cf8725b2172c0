/** Where the code of a span is, with a link into the editor. */
import { useState } from "preact/hooks";
import type { Attribute } from "../../api/types.ts";
import { EDITORS, editorLink } from "../../format/editors.ts";
import { cutMiddle } from "../../format/text.ts";
import { valueText } from "../../format/values.ts";
import { Icon } from "../../shell/icons.tsx";
import { Menu } from "../../shell/menu.tsx";
import { editor } from "../../shell/settings.ts";
import { copyText } from "../../shell/toast.tsx";

/** Return the source of a span: the names of the specification, or those before it. */
export function sourceOf(attributes: Attribute[]): { path: string; line: number } | undefined {
  const find = (...keys: string[]): string | undefined => {
    const found = attributes.find(({ key }) => keys.includes(key));
    return found && valueText(found);
  };
  const path = find("code.file.path", "code.filepath");
  if (path === undefined) return undefined;
  return { path, line: Number(find("code.line.number", "code.lineno") ?? 1) || 1 };
}

export function Source({ path, line }: { path: string; line: number }) {
  const [asking, setAsking] = useState(false);
  const link = editorLink(editor.value, path, line);
  const title = EDITORS[editor.value]?.title ?? "the editor";
  const text = `${path}:${line}`;
  return (
    <div class="source">
      {link ? (
        <a class="mono" href={link} data-action="source" title={`Open ${text} in ${title} (o)`}>
          {cutMiddle(text, 46)}
          <Icon name="open" />
        </a>
      ) : (
        <span class="mono">{cutMiddle(text, 46)}</span>
      )}
      <Menu
        label="Which editor"
        className="icon-button"
        items={[
          ...Object.entries(EDITORS).map(([name, { title: label }]) => ({
            label: `Open in ${label}`,
            checked: editor.value === name,
            run: () => {
              editor.value = name;
            },
          })),
          {
            label: "Another editor…",
            checked: EDITORS[editor.value] === undefined,
            run: () => setAsking(true),
          },
          { label: "Copy path:line", run: () => void copyText(text, "the place") },
        ]}
      >
        <Icon name="more" />
      </Menu>
      {asking && (
        <form
          class="source-template"
          onSubmit={(event) => {
            event.preventDefault();
            const field = event.currentTarget.elements.namedItem("template") as HTMLInputElement;
            editor.value = field.value.trim() || "vscode";
            setAsking(false);
          }}
        >
          <label>
            Template of the address
            <input name="template" class="mono" placeholder="zed://file/{path}:{line}" />
          </label>
          <button type="submit" class="button">
            Use
          </button>
        </form>
      )}
    </div>
  );
}
