/** A short word about what just happened, such as "Copied". */
import { signal } from "@preact/signals";

const message = signal("");
let timer: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string): void {
  message.value = text;
  clearTimeout(timer);
  timer = setTimeout(() => {
    message.value = "";
  }, 2500);
}

/** Put text on the clipboard, and say so. */
export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    announce(`Copied ${what}`);
  } catch {
    announce("The browser did not allow copying");
  }
}

export function Toast() {
  return (
    <div class="toast" role="status" data-shown={message.value !== ""}>
      {message.value}
    </div>
  );
}
