import { expect, test } from "vitest";
import {
  addFilter,
  asBeginning,
  byteSpanToChars,
  correctionIn,
  hasFilter,
  looksFinished,
  removeFilter,
  renameField,
  splitQuery,
  term,
  wordAtCaret,
} from "../src/state/querytext";
import type { Scalar } from "../src/api/types";

test("a filter is added, replaced, or left as it is", () => {
  const check = (q: string, field: string, value: Scalar, exclude: boolean, expected: string): void => {
    expect(addFilter(q, field, value, exclude), q).toBe(expected);
  };
  check("", "level", "error", false, 'level:"error"');
  check("*", "level", "error", true, '-level:"error"');
  check("boom", "level", "error", false, 'boom level:"error"');
  check('boom level:"error"', "level", "error", false, 'boom level:"error"');
  check('boom level:"error" x', "level", "error", true, 'boom -level:"error" x');
  check('-level:"error" x', "level", "error", false, 'level:"error" x');
  check("a OR b", "host", "h", false, '(a OR b) host:"h"');
  check("(a OR b)", "host", "h", false, '(a OR b) host:"h"');
  check('"x OR y"', "host", "h", false, '"x OR y" host:"h"');
  check("a || b", "host", "h", true, '(a || b) -host:"h"');
  check("boom | stats count", "host", "h", false, 'boom host:"h" | stats count');
  check("| stats count", "host", "h", false, 'host:"h" | stats count');
  check('"a | b"', "n", 5, false, '"a | b" n:5');
  check("a", "cached", true, true, "a -cached:true");
  check("a", "path", 'C:\\x "y"', false, 'a path:"C:\\\\x \\"y\\""');
});

test("a filter is taken out, the rest stays as it was written", () => {
  const check = (q: string, exclude: boolean, expected: string): void => {
    expect(removeFilter(q, "level", "error", exclude), q).toBe(expected);
  };
  check('level:"error"', false, "");
  check('a level:"error"  b', false, "a b");
  check('a -level:"error"', true, "a");
  check('a level:"error"', true, 'a level:"error"');
  check('(a level:"error")', false, '(a level:"error")');
  check('level:"error" | stats count', false, "| stats count");
});

test("a field name that is not a plain word is quoted", () => {
  expect(term("http.response.status_code", 200)).toBe("http.response.status_code:200");
  expect(term("a b", "v")).toBe('"a b":"v"');
  expect(term("k:ey", "v")).toBe('"k:ey":"v"');
});

test("parts hold quotes and brackets together", () => {
  const check = (q: string, expected: string[]): void => {
    expect(splitQuery(q).parts.map((p) => p.text)).toEqual(expected);
  };
  check("a  b", ["a", "b"]);
  check('k:"a b" c', ['k:"a b"', "c"]);
  check('"not closed', ['"not closed']);
  check("(a b) n:[1 TO 5]", ["(a b)", "n:[1 TO 5]"]);
  check(") a", [")", "a"]);
});

test("buttons know what the query already holds", () => {
  expect(hasFilter('a level:"error"', "level", "error", false)).toBe(true);
  expect(hasFilter('a -level:"error"', "level", "error", false)).toBe(false);
  expect(hasFilter('a OR level:"error"', "level", "error", false)).toBe(false);
});

test("spans are counted in bytes by the server", () => {
  const check = (q: string, span: [number, number], expected: [number, number]): void => {
    expect(byteSpanToChars(q, span)).toEqual(expected);
  };
  check("level:", [0, 6], [0, 6]);
  check("süß level:", [6, 12], [4, 10]);
  check("😀 x", [5, 6], [3, 4]);
  check("ab", [2, 9], [2, 2]);
});

test("the word at the caret is a field or a value", () => {
  const check = (text: string, kind: string | undefined, field = "", typed = ""): void => {
    const word = wordAtCaret(text, text.length);
    expect(word && [word.kind, word.field, word.typed], text).toEqual(kind ? [kind, field, typed] : null);
  };
  check("lev", "field", "", "lev");
  check("a -http.re", "field", "", "http.re");
  check("level:", "value", "level", "");
  check("(level:er", "value", "level", "er");
  check('a service:"edge n', "value", "service", "edge n");
  check("", undefined);
  check("a ", undefined);
});

test("the server's guess at a field name is taken where the query asks about it", () => {
  const check = (q: string, expected: string): void => {
    expect(renameField(q, { wrong: "servcie", right: "service" })).toBe(expected);
  };
  check("servcie:api", "service:api");
  check("error -servcie:api (servcie:x OR !servcie:y)", "error -service:api (service:x OR !service:y)");
  check('"servcie":api', "service:api");
  check('"servcie:api" myservcie:x a:servcie:b', '"servcie:api" myservcie:x a:servcie:b');
  check("servcie", "servcie");
  check('"a\\" servcie:x', '"a\\" servcie:x');
  expect(renameField("a:1", { wrong: "a", right: "b c" })).toBe('"b c":1');
  expect(correctionIn("no event in this time range has the field `servcie`; did you mean `service`?")).toEqual({ wrong: "servcie", right: "service" });
  expect(correctionIn("no event in this time range has the field `servcie`")).toBeUndefined();
});

test("a query in the middle of something is not asked for while it is typed", () => {
  const check = (q: string, expected: boolean): void => {
    expect([q, looksFinished(q)]).toEqual([q, expected]);
  };
  for (const q of ["", "error", 'level:error "a phrase"', "(a OR b)", "status:[500 TO 599]", "a-b", "NOTE", "/x.*/", 'a:"x\\""']) check(q, true);
  for (const q of ['"a phrase', "level:", "level:>=", "(a OR b", "a OR", "a OR ", "a -", "-", "NOT", "x |", "status:[500 TO", 'a:"x\\"', "a)"]) check(q, false);
});

test("the last word can be taken as the beginning of one", () => {
  const check = (q: string, expected: string | undefined): void => {
    expect(asBeginning(q)).toBe(expected);
  };
  check("paym", "paym*");
  check("level:error paym", "level:error paym*");
  for (const q of ["", "x", "paym*", "level:err", '"paym"', "a OR", "paym | count", "(a paym)"]) check(q, undefined);
});
