/** The frame: header, fields, chart, rows, detail, and what lies above them. */

import { useEffect } from "preact/hooks";
import { PHONE } from "../state/layout";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { Agents } from "./Agents";
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
  const { view, ui } = session.model;
  const eventOpen = useStore(view, (v) => v.event !== "");
  const drawer = useStore(ui, (u) => u.drawer);
  const query = useStore(view, (v) => v.q);
  const agents = useStore(view, (v) => v.page === "agents");
  const phone = useMedia(PHONE);
  // The sheet covers everything on a phone: what is below must not take the focus.
  const covered = phone && eventOpen;

  useEffect(() => bindKeys(session), [session]);
  useEffect(() => {
    const title = agents ? "Agents" : query;
    document.title = title === "" ? "logship" : `${title} · logship`;
  }, [agents, query]);

  return (
    <div class="app">
      <a class="skip" href="#rows">
        {agents ? "Skip to the agents" : "Skip to the log lines"}
      </a>
      <div class="under" inert={covered}>
        <Header />
        <div class="columns">
          {agents ? <Agents /> : <Events />}
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

function Events() {
  const { view, ui, results } = useSession().model;
  const eventOpen = useStore(view, (v) => v.event !== "");
  const sidebar = useStore(ui, (u) => u.sidebar);
  const emptyStore = useStore(results, (r) => r.store?.events === 0);
  // A failed search that has no rows of an earlier one has nothing that a chart could be of.
  const bare = useStore(results, (r) => r.phase !== "ready" && r.error !== undefined && r.rows.length === 0);
  const phone = useMedia(PHONE);
  return (
    <>
      {sidebar && !phone && !emptyStore && <Sidebar />}
      <main class="main">
        {!emptyStore && !bare && <Chart />}
        {!emptyStore && !bare && <ResultBar />}
        <Results />
      </main>
      {eventOpen && !phone && <Detail modal={false} />}
    </>
  );
}
