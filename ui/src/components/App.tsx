/** The frame: header, fields, chart, rows, detail, and what lies above them. */

import { useEffect } from "preact/hooks";
import { PHONE } from "../state/layout";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { Chart } from "./Chart";
import { Detail } from "./Detail";
import { Header } from "./Header";
import { Help } from "./Help";
import { bindKeys } from "./keys";
import { Notice } from "./Notice";
import { ResultBar } from "./ResultBar";
import { Results } from "./Results";
import { FieldDrawer, Sidebar } from "./Sidebar";
import { TokenDialog } from "./TokenDialog";
import { useMedia } from "./media";
import { ValueMenu } from "./ValueMenu";

export function App() {
  const session = useSession();
  const { view, ui, results } = session.model;
  const eventOpen = useStore(view, (v) => v.event !== "");
  const sidebar = useStore(ui, (u) => u.sidebar);
  const emptyStore = useStore(results, (r) => r.store?.events === 0);
  const drawer = useStore(ui, (u) => u.drawer);
  // A failed search that has no rows of an earlier one has nothing that a chart could be of.
  const bare = useStore(results, (r) => r.phase !== "ready" && r.error !== undefined && r.rows.length === 0);
  const query = useStore(view, (v) => v.q);
  const phone = useMedia(PHONE);
  // The sheet covers everything on a phone: what is below must not take the focus.
  const covered = phone && eventOpen;

  useEffect(() => bindKeys(session), [session]);
  useEffect(() => {
    document.title = query === "" ? "logship" : `${query} · logship`;
  }, [query]);

  return (
    <div class="app">
      <a class="skip" href="#rows">
        Skip to the log lines
      </a>
      <div class="under" inert={covered}>
        <Header />
        <div class="columns">
          {sidebar && !phone && !emptyStore && <Sidebar />}
          <main class="main">
            {!emptyStore && !bare && <Chart />}
            {!emptyStore && !bare && <ResultBar />}
            <Results />
          </main>
          {eventOpen && !phone && <Detail modal={false} />}
        </div>
      </div>
      {covered && <Detail modal />}
      {phone && drawer && <FieldDrawer />}
      <ValueMenu />
      <Help />
      <TokenDialog />
      <Notice />
    </div>
  );
}
