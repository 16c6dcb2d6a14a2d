/** Skips a render when no property has changed. The one part of preact/compat that the page needs. */

import { Component, type ComponentChild } from "preact";

export function memo<P extends object>(draw: (props: P) => ComponentChild) {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const keys = Object.keys(next) as (keyof P)[];
      return keys.some((key) => !Object.is(next[key], (this.props as P)[key]));
    }
    override render(): ComponentChild {
      return draw(this.props as P);
    }
  };
}
