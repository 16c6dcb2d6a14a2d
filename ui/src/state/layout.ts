/** Widths at which the layout changes. The style sheets use the same numbers. */

export const PHONE = "(max-width: 639px)";
/** From this width on the fields stand beside the rows; below they cover a part of them, so they start closed. */
export const BESIDE_MIN_PX = 1200;
