/** Search while someone types: asks when the typing pauses, and speaks of failure only when it pauses for longer. */

import type { Model } from "./model";
import { looksFinished } from "./querytext";

export const ASK_AFTER_MS = 200;
/** A half-typed word is no mistake: that it cannot be read or finds nothing is shown after this. */
export const COMPLAIN_AFTER_MS = 800;

interface Asking {
  /** A search that leaves everything as it is where the query cannot be read or finds nothing. */
  ask(q: string): void;
  /** What comes of this query is shown, also a failure and an empty list. */
  insist(q: string): void;
  /** The text is again what is shown: nothing is to be asked. */
  giveUp(): void;
}

export class Typing {
  private asks: ReturnType<typeof setTimeout> | undefined;
  private insists: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: Model,
    private readonly asking: Asking,
  ) {}

  /** The text in the box has changed. */
  changed(): void {
    this.stop();
    const q = this.model.ui.get().draft.trim();
    const shown = (): boolean => this.model.view.get().q === q;
    if (shown()) {
      this.asking.giveUp();
      return;
    }
    this.asks = setTimeout(() => {
      if (looksFinished(q)) this.asking.ask(q);
    }, ASK_AFTER_MS);
    this.insists = setTimeout(() => {
      if (!shown()) this.asking.insist(q);
    }, COMPLAIN_AFTER_MS);
  }

  stop(): void {
    clearTimeout(this.asks);
    clearTimeout(this.insists);
  }
}
