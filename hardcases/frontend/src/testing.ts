// A page to test against, without a browser.
import { Window } from "happy-dom";

/** A document with `body`, its classes made global as a browser has them. */
export function page(body: string): Document {
  const window = new Window({ url: "http://127.0.0.1/p/demo/" });
  for (const name of ["Element", "HTMLInputElement", "HTMLTextAreaElement", "HTMLSelectElement"] as const) {
    Object.assign(globalThis, { [name]: window[name] });
  }
  window.document.body.innerHTML = body;
  return window.document as unknown as Document;
}

/** A key event on `target` as a browser would send it. */
export function press(target: Document | Element, key: string, extra: KeyboardEventInit = {}): KeyboardEvent {
  const view = (target.nodeType === 9 ? (target as Document) : target.ownerDocument!).defaultView as unknown as { KeyboardEvent: typeof KeyboardEvent };
  const event = new view.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...extra });
  target.dispatchEvent(event);
  return event;
}

/** The element `selector` names; a test without it is wrong. */
export function find<T extends HTMLElement = HTMLElement>(root: ParentNode, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) throw new Error(`${selector} is not on the page`);
  return found;
}
