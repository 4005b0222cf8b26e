import assert from "node:assert/strict";
import { test } from "node:test";
import { copyButtons } from "./copy";
import { find, page } from "./testing";

const BODY = `<pre id="curl">curl &lt;address&gt;</pre><button data-copy="curl" data-copied="Copied" hidden>Copy</button>`;
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the text itself is copied, said aloud and shown on the button", async () => {
  const document = page(BODY);
  const copied: string[] = [];
  const said: string[] = [];
  copyButtons(document, { writeText: async (text) => void copied.push(text) }, (text) => said.push(text));
  const button = find<HTMLButtonElement>(document, "button");
  assert.equal(button.hidden, false);
  button.click();
  await settled();
  assert.deepEqual([copied, said, button.textContent], [["curl <address>"], ["Copied"], "Copied"]);
});

test("an empty name copies the address of the page", async () => {
  const document = page(`<button data-copy="" data-copied="Copied">Copy link</button>`);
  const copied: string[] = [];
  copyButtons(document, { writeText: async (text) => void copied.push(text) }, () => undefined);
  find(document, "button").click();
  await settled();
  assert.deepEqual(copied, ["http://127.0.0.1/p/demo/"]);
});

test("wiring twice copies once; without a clipboard the button stays away", async () => {
  const document = page(BODY);
  copyButtons(document, undefined, () => undefined);
  assert.equal(find<HTMLButtonElement>(document, "button").hidden, true);
  let copies = 0;
  const clipboard = { writeText: async () => void (copies += 1) };
  copyButtons(document, clipboard, () => undefined);
  copyButtons(document, clipboard, () => undefined);
  find(document, "button").click();
  await settled();
  assert.equal(copies, 1);
});

test("a refused clipboard never claims to have copied", async () => {
  const document = page(BODY);
  const said: string[] = [];
  copyButtons(document, { writeText: async () => Promise.reject(new Error("denied")) }, (text) => said.push(text));
  find(document, "button").click();
  await settled();
  assert.deepEqual([said, find(document, "button").textContent], [[], "Copy"]);
});
