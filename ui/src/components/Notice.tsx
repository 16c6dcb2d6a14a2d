/** Short messages: shown for a moment, and said by screen readers. */

import { useEffect } from "preact/hooks";
import { useStore } from "../state/store";
import { useSession } from "../state/session";

const SHOWN_MS = 4000;

export function Notice() {
  const { ui } = useSession().model;
  const notice = useStore(ui, (u) => u.notice);
  useEffect(() => {
    if (notice === "") return;
    const timer = setTimeout(() => ui.set({ notice: "" }), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice, ui]);
  return (
    <div class="notice-area" role="status">
      {notice !== "" && <div class="notice">{notice}</div>}
    </div>
  );
}
