/** Asks for the token when the server wants one. It is kept in memory: a reload asks again. */

import { useState } from "preact/hooks";
import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { Dialog } from "./Dialog";

export function TokenDialog() {
  const session = useSession();
  const { ui } = session.model;
  const asked = useStore(ui, (u) => u.tokenAsked);
  const refused = useStore(ui, (u) => u.tokenRefused);
  const [token, setToken] = useState("");
  if (!asked) return null;
  const submit = (event: Event): void => {
    event.preventDefault();
    const value = token.trim();
    setToken("");
    if (value !== "") session.setToken(value);
  };
  return (
    <Dialog title="This server needs a token" onClose={() => ui.set({ tokenAsked: false })}>
      <form class="token" onSubmit={submit}>
        {refused && (
          <p class="problem" role="alert">
            The server refused that token.
          </p>
        )}
        <label for="token">Token</label>
        <input
          id="token"
          class="input mono"
          type="password"
          autocomplete="off"
          autofocus
          spellcheck={false}
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <p class="hint">
          It is what the server was started with: <code>LOGSHIP_TOKEN</code> or <code>--token-file</code>. This page
          keeps it in memory only and forgets it when you leave.
        </p>
        <button type="submit" class="button primary">
          Continue
        </button>
      </form>
    </Dialog>
  );
}
