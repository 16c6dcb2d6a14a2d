/** A value with listeners. Small on purpose: the page needs no more. */

import { useLayoutEffect, useState } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(change: Partial<T>): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<T extends object>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Renders again only when the selected part has changed. */
export function useStore<T extends object, U>(store: Store<T>, select: (value: T) => U): U {
  const [, setVersion] = useState(0);
  const selected = select(store.get());
  useLayoutEffect(() => {
    let seen = selected;
    const check = (): void => {
      const next = select(store.get());
      if (Object.is(next, seen)) return;
      seen = next;
      setVersion((n) => n + 1);
    };
    // The value may have changed between the render and this effect.
    check();
    return store.subscribe(check);
  });
  return selected;
}
