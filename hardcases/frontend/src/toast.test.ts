import assert from "node:assert/strict";
import { test } from "node:test";
import { find, page } from "./testing";
import { toasts } from "./toast";

const TOAST = `<div data-toast><span data-announce> Declined 18 cases. </span><button>Undo</button></div>`;

test("a toast is said aloud once and leaves after its time", () => {
  const document = page(TOAST);
  const waits: (() => void)[] = [];
  const said: string[] = [];
  for (const _again of [1, 2]) toasts(document, (_ms, then) => void waits.push(then), (text) => said.push(text));
  assert.deepEqual([said, waits.length], [["Declined 18 cases."], 1]);
  waits.shift()?.();
  assert.equal(document.querySelector("[data-toast]"), null);
});

test("a toast whose undo button has the focus stays", () => {
  const document = page(TOAST);
  const waits: (() => void)[] = [];
  toasts(document, (_ms, then) => void waits.push(then), () => undefined);
  find(document, "button").focus();
  waits.shift()?.();
  assert.notEqual(document.querySelector("[data-toast]"), null);
  assert.equal(waits.length, 1);
});
