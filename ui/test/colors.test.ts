/** The colours of the levels are told apart in both themes, also by those who see no red, no green or no blue. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LEVELS } from "../src/state/levels";

type Triple = readonly [number, number, number];

const TOKENS = readFileSync(new URL("../src/styles/tokens.css", import.meta.url), "utf8");
/** Of CIE76: 2.3 is just noticeable side by side. */
const DIFFERENCE_MIN = 15;
const BACKGROUND_CONTRAST_MIN = 1.8;

/** Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB. */
const VISIONS: Record<string, readonly [Triple, Triple, Triple]> = {
  full: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function token(name: string, theme: "light" | "dark"): Triple {
  const found = new RegExp(`--${name}: light-dark\\((#\\w{6}), (#\\w{6})\\)`).exec(TOKENS);
  const hex = found?.[theme === "light" ? 1 : 2] ?? "";
  const linear = (at: number): number => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return [linear(1), linear(3), linear(5)];
}

function through([r, g, b]: Triple, [x, y, z]: Triple): number {
  return Math.min(1, Math.max(0, r * x + g * y + b * z));
}

function lab([r, g, b]: Triple): Triple {
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function luminance([r, g, b]: Triple): number {
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

describe.each(["light", "dark"] as const)("%s", (theme) => {
  test.each(Object.entries(VISIONS))("%s", (_name, matrix) => {
    const seen = LEVELS.map((level) => {
      const rgb = token(`level-${level}`, theme);
      return { level, lab: lab([through(rgb, matrix[0]), through(rgb, matrix[1]), through(rgb, matrix[2])]) };
    });
    const alike = seen.flatMap((a, i) =>
      seen.slice(i + 1).flatMap((b) => {
        const difference = Math.hypot(a.lab[0] - b.lab[0], a.lab[1] - b.lab[1], a.lab[2] - b.lab[2]);
        return difference < DIFFERENCE_MIN ? [`${a.level} ${b.level} ${difference.toFixed(1)}`] : [];
      }),
    );
    expect(alike).toEqual([]);
  });

  test("stands out from the background", () => {
    const surface = luminance(token("surface", theme)) + 0.05;
    const faint = LEVELS.map((level) => {
      const own = luminance(token(`level-${level}`, theme)) + 0.05;
      return { level, ratio: Math.max(own, surface) / Math.min(own, surface) };
    }).filter(({ ratio }) => ratio < BACKGROUND_CONTRAST_MIN);
    expect(faint).toEqual([]);
  });
});
