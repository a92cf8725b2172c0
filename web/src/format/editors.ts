/** Links that open a source file in an editor. */

export const EDITORS: Record<string, { title: string; template: string }> = {
  vscode: { title: "VS Code", template: "vscode://file/{path}:{line}" },
  pycharm: { title: "PyCharm", template: "pycharm://open?file={path}&line={line}" },
};

/** A template that runs script instead of opening an editor is not used. */
const REFUSED = /^\s*(?:javascript|data|vbscript|blob|file):/i;

/**
 * Return the address that opens a file in an editor, or undefined if the template is not one.
 *
 * @param editor The name of an editor, or a template with `{path}` and `{line}`.
 */
export function editorLink(editor: string, path: string, line: number): string | undefined {
  const template = EDITORS[editor]?.template ?? editor;
  const isAddress = /^[a-z][a-z0-9+.-]*:/i.test(template);
  if (!isAddress || REFUSED.test(template) || !template.includes("{path}")) return undefined;
  const encoded = path
    .replaceAll("\\", "/")
    .split("/")
    .map(encodeURIComponent)
    .join("/")
    .replace(/^([a-zA-Z])%3A\//, "$1:/");
  const rooted = template.includes("file/{path}") ? encoded.replace(/^\//, "") : encoded;
  return template.replaceAll("{path}", rooted).replaceAll("{line}", String(line));
}
