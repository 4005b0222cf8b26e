import assert from "node:assert/strict";
import { test } from "node:test";
import { Live, pause } from "./live";
import { find, page } from "./testing";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Clock {
  waits: { ms: number; then: () => void }[] = [];
  asked: string[] = [];
  answer: () => Promise<Response> = async () => new Response("");
  now = (): number => 0;
  wait = (ms: number, then: () => void): void => void this.waits.push({ ms, then });
  fetch = (url: string): Promise<Response> => (this.asked.push(url), this.answer());

  async tick(): Promise<void> {
    this.waits.shift()?.then();
    await settled();
  }
}

function following(body: string): { document: Document; clock: Clock; swapped: Element[] } {
  const document = page(body);
  const clock = new Clock();
  const swapped: Element[] = [];
  new Live(document, clock, (element) => void swapped.push(element)).start();
  return { document, clock, swapped };
}

const RUN = `<p id="run" data-live="/run/">412 of 1,204</p>`;

test("the pause is 3 s for a page in use and grows to 60 s for one left alone", () => {
  assert.deepEqual([0, 60_000, 61_000, 121_000, 600_000].map(pause), [3_000, 3_000, 6_000, 12_000, 60_000]);
});

test("a changed fragment takes the place of the old one and is followed on", async () => {
  const { document, clock, swapped } = following(RUN);
  clock.answer = async () => new Response(`<p id="run" data-live="/run/">413 of 1,204</p>`);
  await clock.tick();
  assert.equal(find(document, "#run").textContent, "413 of 1,204");
  assert.deepEqual([clock.asked, swapped.length, clock.waits.length], [["/run/"], 1, 1]);
});

test("an answer without data-live ends the questions", async () => {
  const { clock } = following(RUN);
  clock.answer = async () => new Response(`<p id="run">Done</p>`);
  await clock.tick();
  assert.equal(clock.waits.length, 0);
});

test("an error, a redirect to sign-in or a lost network changes nothing and is asked again", async () => {
  const { document, clock } = following(RUN);
  const signIn = Object.defineProperty(new Response(`<p id="run">Sign in</p>`), "redirected", { value: true });
  for (const answer of [async () => signIn, async () => new Response("<h1>no</h1>", { status: 500 }), async () => Promise.reject(new Error("offline"))]) {
    clock.answer = answer;
    await clock.tick();
    assert.equal(find(document, "#run").textContent, "412 of 1,204");
    assert.equal(clock.waits.length, 1);
  }
});

test("a fragment that holds the focus is left alone", async () => {
  const { document, clock } = following(`<div data-live="/x/"><button id="in">Cancel</button></div>`);
  find(document, "#in").focus();
  await clock.tick();
  assert.deepEqual([clock.asked, clock.waits.length], [[], 1]);
});

test("an equal answer is not swapped", async () => {
  const { clock, swapped } = following(RUN);
  clock.answer = async () => new Response(RUN);
  await clock.tick();
  assert.deepEqual([swapped.length, clock.waits.length], [0, 1]);
});
