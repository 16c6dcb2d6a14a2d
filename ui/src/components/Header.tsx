import mark from "../icon.svg";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { PHONE } from "../state/layout";
import type { Theme } from "../state/model";
import { AgentsIcon, AutoIcon, HelpIcon, MoonIcon, RunIcon, SidebarIcon, SunIcon } from "./icons";
import { useMedia } from "./media";
import { QueryBox } from "./QueryBox";
import { TimePicker } from "./TimePicker";

export function Header() {
  const session = useSession();
  const sidebar = useStore(session.model.ui, (u) => u.sidebar);
  const agents = useStore(session.model.view, (v) => v.page === "agents");
  const phone = useMedia(PHONE);
  return (
    <header class="header">
      <div class="brand">
        <button
          type="button"
          class="button quiet square sidebar-toggle"
          aria-pressed={phone ? undefined : sidebar}
          aria-haspopup={phone ? "dialog" : undefined}
          aria-label="Fields"
          title="Fields (f)"
          disabled={agents}
          onClick={() => session.toggleFields()}
        >
          <SidebarIcon />
        </button>
        <a class="logo" href="/" aria-label="logship, start page">
          {phone ? <img src={mark} width="24" height="24" alt="" /> : "logship"}
        </a>
      </div>
      <QueryBox />
      <div class="controls">
        <TimePicker />
        <button type="button" class="button primary run" aria-label="Run" title="Run (Enter)" onClick={() => session.run()}>
          <RunIcon />
          <span>Run</span>
        </button>
        <LiveButton />
        <button
          type="button"
          class="button quiet square"
          aria-pressed={agents}
          aria-label="Agents"
          title="Agents (g)"
          onClick={() => session.showAgents(!agents)}
        >
          <AgentsIcon />
        </button>
        <ThemeButton />
        <button
          type="button"
          class="button quiet square"
          aria-label="Keys and help"
          title="Keys and help (?)"
          onClick={() => session.model.ui.set({ help: true })}
        >
          <HelpIcon />
        </button>
      </div>
    </header>
  );
}

function LiveButton() {
  const session = useSession();
  const on = useStore(session.model.view, (v) => v.live);
  const phase = useStore(session.model.live, (l) => l.state?.phase ?? "connecting");
  return (
    <button
      type="button"
      class={`button live ${on ? `on ${phase}` : ""}`}
      aria-pressed={on}
      title="Show new events as they arrive (t)"
      onClick={() => session.setLive(!on)}
    >
      <span class="dot" aria-hidden="true" />
      Live
    </button>
  );
}

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const THEME_NAME: Record<Theme, string> = { auto: "as the system", light: "light", dark: "dark" };

function ThemeButton() {
  const session = useSession();
  const theme = useStore(session.model.ui, (u) => u.theme);
  const Icon = theme === "auto" ? AutoIcon : theme === "light" ? SunIcon : MoonIcon;
  const label = `Colours: ${THEME_NAME[theme]}`;
  return (
    <button
      type="button"
      class="button quiet square"
      aria-label={label}
      title={label}
      onClick={() => session.setTheme(NEXT[theme])}
    >
      <Icon />
    </button>
  );
}
