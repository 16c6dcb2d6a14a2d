/** Widths at which the layout changes. The style sheets use the same numbers. */

import { useLayoutEffect, useState } from "preact/hooks";

export const PHONE = "(max-width: 639px)";

export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useLayoutEffect(() => {
    const list = matchMedia(query);
    const update = (): void => setMatches(list.matches);
    update();
    list.addEventListener("change", update);
    return () => list.removeEventListener("change", update);
  }, [query]);
  return matches;
}
