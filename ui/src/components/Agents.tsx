/** The agents that ship to this server: how each is, and how far its files are read. */

import { useEffect, useState } from "preact/hooks";
import { findAgents, hasTrouble, SKEW_MS, type Agent, type AgentFile } from "../state/agents";
import { formatAgo, formatBytes, formatCompact, formatCount, formatDateTime, formatSpan, plural } from "../state/format";
import { term } from "../state/querytext";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { agentToken, Command } from "./Empty";
import { AlertIcon, CloseIcon } from "./icons";

/** More are shown when asked for. */
const AGENTS_SHOWN = 100;
const FILES_SHOWN = 5;
/** Fewer are found by looking. */
const FIND_MIN = 6;

export function Agents() {
  const session = useSession();
  const { list, error } = useStore(session.model.agents, (a) => a);
  const [wanted, setWanted] = useState("");
  const [all, setAll] = useState(false);
  useEffect(() => {
    session.watchAgents(true);
    return () => session.watchAgents(false);
  }, [session]);
  const found = list ? findAgents(list, wanted) : [];
  const shown = all ? found : found.slice(0, AGENTS_SHOWN);
  return (
    <main class="agents" id="rows" tabIndex={-1} aria-label="Agents">
      {error && (
        <div class="failure" role="status">
          <strong>{error.message}</strong>
          <span>{list ? "What is below was read before. It is asked for again and again." : (error.hint ?? "It is asked for again and again.")}</span>
        </div>
      )}
      <div class="agents-head">
        <h1>Agents</h1>
        {list && list.length > 0 && <span class="dim">{summary(list)}</span>}
        <span class="grow" />
        {list && list.length >= FIND_MIN && (
          <input
            class="input small agents-find"
            type="search"
            placeholder="Find a name or a file"
            aria-label="Find an agent by its name or a file"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        )}
        <button type="button" class="button quiet square" aria-label="Close" title="Back to the events (Esc)" onClick={() => session.showAgents(false)}>
          <CloseIcon />
        </button>
      </div>
      {list?.length === 0 && !error && <None />}
      {list && list.length > 0 && found.length === 0 && <p class="hint agents-none">No agent and no file with this name.</p>}
      <ul class="agent-list">
        {shown.map((agent) => (
          <AgentCard key={agent.name} agent={agent} />
        ))}
      </ul>
      {found.length > shown.length && (
        <button type="button" class="button agents-more" onClick={() => setAll(true)}>
          Show all {formatCount(found.length)}
        </button>
      )}
    </main>
  );
}

function summary(list: readonly Agent[]): string {
  const trouble = list.filter(hasTrouble).length;
  return `${formatCount(list.length)} known, ${trouble === 0 ? "all well" : `${formatCount(trouble)} in trouble`}`;
}

function None() {
  return (
    <div class="empty">
      <h2>No agent has reported since this server was started</h2>
      <p>One that ships here is listed a second after its start.</p>
      <h2>Follow the files of a machine</h2>
      <Command text={`${agentToken()}logship agent --files '/var/log/*.log' --server ${location.origin}`} />
    </div>
  );
}

function AgentCard({ agent }: { agent: Agent }) {
  const session = useSession();
  const now = useStore(session.model.agents, (a) => a.now);
  const utc = useStore(session.model.view, (v) => v.utc);
  const state = agent.stale ? "stale" : hasTrouble(agent) ? "bad" : "good";
  return (
    <li class={`agent ${state}`}>
      <div class="agent-title">
        <span class="dot" aria-hidden="true" />
        <h2>
          <button type="button" class="link" title="Show what this host says" onClick={() => session.setQuery(term("host", agent.name))}>
            {agent.name}
          </button>
        </h2>
        {agent.version !== "" && <span class="dim">{agent.version}</span>}
        <span class={agent.stale ? "agent-seen problem" : "agent-seen dim"} title={formatDateTime(agent.seen, utc)}>
          {agent.stale ? `silent: last seen ${formatAgo(now - agent.seen)}` : `seen ${formatAgo(now - agent.seen)}`}
        </span>
      </div>
      <dl class="agent-facts">
        <Server agent={agent} />
        <Spool agent={agent} />
        <div>
          <dt>Events</dt>
          <dd title={`${formatCount(agent.received)} read since its start${agent.shipped === undefined ? "" : `, ${formatCount(agent.shipped)} shipped`}`}>
            {formatCompact(agent.received)} in
            {agent.shipped !== undefined && ` · ${formatCompact(agent.shipped)} out`}
          </dd>
        </div>
        <div>
          <dt>Dropped</dt>
          <Dropped agent={agent} />
        </div>
        <div>
          <dt>Clock</dt>
          <Skew ms={agent.skewMs} />
        </div>
      </dl>
      <Errors agent={agent} now={now} />
      <Files agent={agent} />
    </li>
  );
}

function Server({ agent }: { agent: Agent }) {
  const said = {
    reached: "reached",
    away: "not reached",
    unused: "nothing sent yet",
    unknown: "another process ships",
  }[agent.reach];
  return (
    <div class="wide">
      <dt>Server</dt>
      <dd class={agent.reach === "away" ? "problem" : ""}>
        {said}
        {agent.server !== "" && <span class="agent-url dim">{agent.server}</span>}
      </dd>
    </div>
  );
}

function Spool({ agent }: { agent: Agent }) {
  const { queued, spoolMax } = agent;
  const share = queued !== undefined && spoolMax > 0 ? Math.min(1, queued / spoolMax) : 0;
  return (
    <div>
      <dt>Waiting on its disk</dt>
      <dd class={share > 0.8 ? "problem" : ""}>
        {queued === undefined ? "unknown" : formatBytes(queued)}
        {spoolMax > 0 && spoolMax < Number.MAX_SAFE_INTEGER && <span class="dim"> of {formatBytes(spoolMax)}</span>}
        <span class={share > 0.8 ? "bar full" : "bar"} aria-hidden="true">
          {share > 0 && <span class="bar-fill" style={{ width: `${(share * 100).toFixed(1)}%` }} />}
        </span>
      </dd>
    </div>
  );
}

function Dropped({ agent }: { agent: Agent }) {
  const lost = agent.dropped.reduce((sum, [, count]) => sum + count, 0);
  if (lost === 0 && agent.doubled === 0) return <dd>none</dd>;
  const parts = agent.dropped.map(([reason, count]) => `${formatCompact(count)} ${reason}`);
  if (agent.doubled > 0) parts.push(`${formatCompact(agent.doubled)} perhaps on two servers`);
  return (
    <dd class="agent-dropped">
      {parts.map((part) => (
        <span key={part}>{part}</span>
      ))}
    </dd>
  );
}

function Skew({ ms }: { ms: number | undefined }) {
  if (ms === undefined) return <dd>unknown</dd>;
  if (Math.abs(ms) < SKEW_MS) return <dd>right</dd>;
  return <dd class="agent-warn">{`${formatSpan(Math.abs(ms) / 1000)} ${ms > 0 ? "ahead" : "behind"}`}</dd>;
}

function Errors({ agent, now }: { agent: Agent; now: number }) {
  const past = agent.reach === "reached";
  return (
    <>
      {agent.lastError !== "" && (
        <p class={past ? "agent-error dim" : "agent-error problem"}>
          {!past && <AlertIcon />}
          <span>
            {past && "Earlier: "}
            {agent.lastError}
            {!Number.isNaN(agent.lastErrorAt) && <span class="dim"> ({formatAgo(now - agent.lastErrorAt)})</span>}
          </span>
        </p>
      )}
      {agent.inputErrors.map((error) => (
        <p key={error} class="agent-error problem">
          <AlertIcon />
          <span>{error}</span>
        </p>
      ))}
    </>
  );
}

function Files({ agent }: { agent: Agent }) {
  const [all, setAll] = useState(false);
  const shown = all ? agent.files : agent.files.slice(0, FILES_SHOWN);
  if (agent.followed === 0 && agent.files.length === 0 && agent.unreadable === 0) return null;
  const unlisted = agent.followed - agent.files.length;
  return (
    <>
      {shown.length > 0 && (
        <table class="agent-files">
          <caption class="visually-hidden">Files of {agent.name}, those with an error and those furthest behind first</caption>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col" class="number">Read</th>
              <th scope="col" class="number">Behind</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((file) => (
              <FileRow key={file.path} file={file} />
            ))}
          </tbody>
        </table>
      )}
      <p class="agent-foot hint">
        <span>{plural(agent.followed, "file")} followed</span>
        {agent.unreadable > 0 && <span class="agent-warn">{plural(agent.unreadable, "path")} cannot be read</span>}
        {agent.files.length > FILES_SHOWN && (
          <button type="button" class="link" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Show fewer" : `Show ${formatCount(agent.files.length)}`}
          </button>
        )}
        {all && unlisted > 0 && <span>{formatCount(unlisted)} that are less behind are not listed</span>}
      </p>
    </>
  );
}

function FileRow({ file }: { file: AgentFile }) {
  const session = useSession();
  return (
    <tr class={file.error === "" ? "" : "bad"}>
      <th scope="row">
        <button type="button" class="link mono" title="Show what this file says" onClick={() => session.setQuery(term("log.file.path", file.path))}>
          {file.path}
        </button>
        {file.error !== "" && <span class="problem file-error">{file.error}</span>}
      </th>
      <td class="number">
        {formatBytes(file.durable)}
        <span class="dim"> of {formatBytes(file.size)}</span>
      </td>
      <td class="number">{file.lagBytes === 0 ? <span class="dim">no</span> : `${formatBytes(file.lagBytes)} · ${formatSpan(file.lagS)}`}</td>
    </tr>
  );
}
