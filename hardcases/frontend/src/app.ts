// What every page loads. Everything here repeats something that also works as a plain link or form.
import { copyButtons } from "./copy";
import { Keys } from "./keys";
import { Live } from "./live";
import { toasts } from "./toast";

const wait = (ms: number, then: () => void): void => void setTimeout(then, ms);

function announce(text: string): void {
  const region = document.getElementById("live");
  if (region && text) region.textContent = text;
}

function dress(root: ParentNode): void {
  copyButtons(root, navigator.clipboard as Clipboard | undefined, announce);
  toasts(root, wait, announce);
  for (const element of root.querySelectorAll<HTMLElement>(".needs-script[hidden]")) element.hidden = false;
}

/** Where the switch for keys is remembered; a browser that forbids storage forgets it with the page. */
function memory(): Pick<Storage, "getItem" | "setItem"> {
  try {
    return window.localStorage;
  } catch {
    const forgotten = new Map<string, string>();
    return { getItem: (key) => forgotten.get(key) ?? null, setItem: (key, value) => void forgotten.set(key, value) };
  }
}

function swapped(element: Element): void {
  dress(element.parentElement ?? element);
  (window as { htmx?: { process(element: Element): void } }).htmx?.process(element);
}

const live = new Live(document, { now: () => performance.now(), wait, fetch: (url, init) => fetch(url, init) }, swapped);

new Keys(document, memory()).start();
live.start();
dress(document);
document.addEventListener("htmx:load", (event) => {
  const root = event.target as Element;
  dress(root.parentElement ?? root);
  live.follow(root);
});
// A refused form comes back as 422 with its errors, and a conflict as 409 with its sentence: both belong on the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const detail = (event as CustomEvent<{ xhr: XMLHttpRequest; shouldSwap: boolean; isError: boolean }>).detail;
  if (detail.xhr.status !== 422 && detail.xhr.status !== 409) return;
  detail.shouldSwap = true;
  detail.isError = false;
});
document.querySelector(".top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
