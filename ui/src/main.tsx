import { render } from "preact";
import "./styles/index.css";
import { App } from "./components/App";
import { Session, SessionContext } from "./state/session";

const session = new Session();
const root = document.getElementById("app");
if (root) {
  session.open();
  render(
    <SessionContext.Provider value={session}>
      <App />
    </SessionContext.Provider>,
    root,
  );
}
