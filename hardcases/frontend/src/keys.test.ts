import assert from "node:assert/strict";
import { test } from "node:test";
import { Keys } from "./keys";
import { find, page, press } from "./testing";

const BODY = `
  <button data-key="1" id="accept">Accept <kbd>1</kbd></button>
  <button data-key="j" id="next">Next</button>
  <button data-key="3" id="decline" aria-disabled="true">Decline</button>
  <a data-key="g i" id="inbox" href="#">Inbox</a>
  <button data-key="?" data-opens="sheet" id="help">Keys</button>
  <input id="search"> <input type="checkbox" id="tick"> <p contenteditable id="note">text</p>
  <dialog id="sheet"><table><tbody></tbody></table><input type="checkbox" data-keys-switch checked></dialog>`;

function started(now: () => number = () => 0): { document: Document; clicked: string[]; memory: Map<string, string> } {
  const document = page(BODY);
  const memory = new Map<string, string>();
  const clicked: string[] = [];
  document.addEventListener("click", (event) => clicked.push((event.target as Element).id));
  new Keys(document, { getItem: (key) => memory.get(key) ?? null, setItem: (key, value) => void memory.set(key, value) }, now).start();
  return { document, clicked, memory };
}

test("a key clicks the control that carries it, and the browser's own action is held back", () => {
  const { document, clicked } = started();
  assert.equal(press(document, "1").defaultPrevented, true);
  assert.equal(press(document, "8").defaultPrevented, false);
  assert.deepEqual(clicked, ["accept"]);
});

test("keys stay out of the way while somebody types, composes or holds a modifier", () => {
  const { document, clicked } = started();
  press(find(document, "#search"), "1");
  press(find(document, "#note"), "1");
  press(document, "1", { isComposing: true });
  press(document, "1", { ctrlKey: true });
  press(document, "1", { altKey: true });
  press(document, "1", { metaKey: true });
  assert.deepEqual(clicked, []);
  press(find(document, "#tick"), "1");
  assert.deepEqual(clicked, ["accept"]);
});

test("a Cyrillic or full-width letter falls back to the physical key; a Latin letter never does", () => {
  const { document, clicked } = started();
  press(document, "о", { code: "KeyJ" });
  press(document, "１", { code: "Digit1" });
  press(document, "h", { code: "KeyJ" });
  assert.deepEqual(clicked, ["next", "accept"]);
});

test("a sequence opens its link when the second key follows soon, and not when it comes late", () => {
  let now = 0;
  const { document, clicked } = started(() => now);
  press(document, "g");
  press(document, "i");
  assert.deepEqual(clicked, ["inbox"]);
  press(document, "g");
  now = 5_000;
  press(document, "i");
  assert.deepEqual(clicked, ["inbox"]);
});

test("a disabled control is not pressed", () => {
  const { document, clicked } = started();
  press(document, "3");
  assert.deepEqual(clicked, []);
});

test("the sheet lists the controls of this page without their key hints", () => {
  const { document } = started();
  press(document, "?");
  const lines = [...document.querySelectorAll("#sheet tr")].map((row) => row.textContent);
  assert.deepEqual(lines, ["1Accept", "JNext", "G IInbox", "?Keys"]);
  assert.equal(find(document, "#sheet").hasAttribute("open"), true);
});

test("keys can be switched off, and the sheet still opens so that they can come back", () => {
  const { document, clicked, memory } = started();
  const toggle = find<HTMLInputElement>(document, "[data-keys-switch]");
  toggle.checked = false;
  toggle.dispatchEvent(new (document.defaultView as unknown as { Event: typeof Event }).Event("change"));
  assert.equal(memory.get("hardcases.keys"), "off");
  press(document, "1");
  press(document, "?");
  assert.deepEqual(clicked, ["help"]);
});
