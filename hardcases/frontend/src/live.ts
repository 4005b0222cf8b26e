// Live fragments: an element with data-live="/address" asks for itself again until the answer no longer carries data-live.
// Every 3 s while the page is visible and used, slowing to every 60 s, and not at all while it is hidden.

const FASTEST_MS = 3_000;
const SLOWEST_MS = 60_000;
const USED_MS = 60_000;

/** How long to wait before the next question, given how long ago the person last moved. */
export function pause(idleMs: number): number {
  if (idleMs <= USED_MS) return FASTEST_MS;
  return Math.min(SLOWEST_MS, FASTEST_MS * 2 ** Math.floor((idleMs - USED_MS) / USED_MS + 1));
}

export interface World {
  now(): number;
  wait(ms: number, then: () => void): void;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

export class Live {
  private lastUse: number;
  private readonly followed = new WeakSet<Element>();

  constructor(
    private readonly page: Document,
    private readonly world: World,
    private readonly swapped: (element: Element) => void,
  ) {
    this.lastUse = world.now();
  }

  start(): void {
    for (const kind of ["pointermove", "keydown", "scroll"]) {
      this.page.addEventListener(kind, () => (this.lastUse = this.world.now()), { passive: true });
    }
    this.follow(this.page);
  }

  /** Take up every live fragment inside `root` that is not followed yet. */
  follow(root: ParentNode): void {
    const found = [...root.querySelectorAll("[data-live]")];
    if (root instanceof Element && root.matches("[data-live]")) found.push(root);
    for (const element of found) {
      if (this.followed.has(element)) continue;
      this.followed.add(element);
      this.later(element);
    }
  }

  private later(element: Element): void {
    this.world.wait(pause(this.world.now() - this.lastUse), () => void this.ask(element));
  }

  private async ask(element: Element): Promise<void> {
    const address = element.getAttribute("data-live");
    if (!address || !element.isConnected) return;
    // A fragment that holds the focus is left alone: a swap would take the focus away.
    if (this.page.hidden || element.contains(this.page.activeElement)) return this.later(element);
    try {
      const response = await this.world.fetch(address, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
      if (response.ok && !response.redirected) return this.swap(element, await response.text());
    } catch {
      // The network is away; the page says what it last knew and asks again.
    }
    this.later(element);
  }

  private swap(element: Element, html: string): void {
    const holder = this.page.createElement("template");
    holder.innerHTML = html;
    const fresh = holder.content.firstElementChild;
    if (!fresh) return this.later(element);
    if (fresh.isEqualNode(element)) return this.later(element);
    element.replaceWith(fresh);
    this.follow(fresh);
    this.swapped(fresh);
  }
}
