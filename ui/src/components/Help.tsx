import { useStore } from "../state/store";
import { useSession } from "../state/session";
import { Dialog } from "./Dialog";
import { KEYS } from "./keys";

const EXAMPLES: readonly [string, string][] = [
  ["connection refused", "both words, in any order"],
  ['"connection refused"', "the phrase"],
  ["level:>=warn -service:web", "by severity, without one service"],
  ["status:>=500 duration:>250ms", "numbers and durations"],
  ["user_id:* logger:com.shop*", "the field exists; any ending"],
  ["(timeout OR refused) host:web-1", "alternatives"],
];

export function Help() {
  const session = useSession();
  const { ui } = session.model;
  const open = useStore(ui, (u) => u.help);
  if (!open) return null;
  const close = (): void => ui.set({ help: false });
  const show = (query: string): void => {
    close();
    session.setQuery(query);
  };
  return (
    <Dialog title="Keys and queries" onClose={close}>
      <div class="help">
        <table class="keys">
          <caption>Keys</caption>
          <tbody>
            {KEYS.map(({ keys, does }) => (
              <tr key={does}>
                <th scope="row">
                  {keys.map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </th>
                <td>{does}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <table class="examples">
          <caption>Queries</caption>
          <tbody>
            {EXAMPLES.map(([query, means]) => (
              <tr key={query}>
                <th scope="row">
                  <button type="button" class="link mono" onClick={() => show(query)}>
                    {query}
                  </button>
                </th>
                <td>{means}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Dialog>
  );
}
