/** The entry of the page. */
import { render } from "preact";
import { useMemo } from "preact/hooks";
import { ListPage } from "./list/list_page.tsx";
import { Help, showHelp } from "./shell/help.tsx";
import { type KeyScope, listenForKeys, useKeys } from "./shell/keys.ts";
import { followLinks, route } from "./shell/router.ts";
import { nextTheme, switchZone } from "./shell/settings.ts";
import { Toast } from "./shell/toast.tsx";
import { TracePage } from "./trace/trace_page.tsx";
import { prepareWorker } from "./worker/client.ts";

function App() {
  const everywhere = useMemo<KeyScope>(
    () => ({
      title: "Everywhere",
      commands: [
        { keys: ["?"], label: "This page", run: showHelp },
        { keys: ["u"], label: "Times in UTC, or local", run: switchZone },
        { keys: ["T"], label: "Light, dark, or as the system", run: nextTheme },
      ],
    }),
    [],
  );
  useKeys(everywhere);
  const where = route.value;
  return (
    <>
      {where.page === "trace" ? <TracePage key={where.id} id={where.id} /> : <ListPage />}
      <Help />
      <Toast />
    </>
  );
}

prepareWorker();
followLinks();
listenForKeys();
render(<App />, document.getElementById("app")!);
