/** Search while someone types: asks when the typing pauses, and complains only when it pauses for longer. */

import type { Model } from "./model";
import { looksFinished } from "./querytext";

export const ASK_AFTER_MS = 200;
/** A half-typed word is no mistake: what the server says against it is shown after this. */
export const COMPLAIN_AFTER_MS = 800;

interface Asking {
  /** A search that leaves everything as it is where the server cannot read the query. */
  ask(q: string): void;
  /** Whether the answer to this query is still to come. */
  waitsFor(q: string): boolean;
  /** A search whose failure is shown. */
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
      if (!shown() && !this.asking.waitsFor(q)) this.asking.insist(q);
    }, COMPLAIN_AFTER_MS);
  }

  stop(): void {
    clearTimeout(this.asks);
    clearTimeout(this.insists);
  }
}
