// Single keys for everything that has a visible control: an element with data-key="1" is clicked when 1 is pressed.
// Sequences are written with a space: data-key="g i".

/** What a press of a key means, or null when keys must stay out of the way. */
export function keyOf(event: KeyboardEvent): string | null {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return null;
  if (isTyping(event.target)) return null;
  const produced = event.key;
  if (produced.length > 1) return produced.toLowerCase();
  // A Latin letter, digit or sign is taken as produced, so Dvorak and AZERTY keep their letters.
  if (/^[\x21-\x7e]$/.test(produced)) return produced.toLowerCase();
  return physical(event.code);
}

/** The Latin letter or digit printed on a physical key: what Cyrillic layouts and Chinese full-width input fall back to. */
function physical(code: string): string | null {
  const match = /^(?:Key([A-Z])|Digit([0-9])|Numpad([0-9]))$/.exec(code);
  const found = match?.[1] ?? match?.[2] ?? match?.[3];
  return found === undefined ? null : found.toLowerCase();
}

const NOT_TEXT = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest("[contenteditable]:not([contenteditable='false'])")) return true;
  if (target instanceof HTMLInputElement) return !NOT_TEXT.has(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

const SWITCH = "hardcases.keys";
const SEQUENCE_MS = 1200;

export class Keys {
  private prefix = "";
  private prefixAt = 0;

  constructor(
    private readonly page: Document,
    private readonly memory: Pick<Storage, "getItem" | "setItem">,
    private readonly now: () => number = Date.now,
  ) {}

  /** Begin to listen; fill the sheet each time it opens and honour its switch. */
  start(): void {
    this.page.addEventListener("keydown", (event) => this.press(event));
    this.page.addEventListener("click", (event) => {
      const opener = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-opens]") : null;
      if (opener) this.open(opener.dataset.opens ?? "");
    });
    const toggle = this.page.querySelector<HTMLInputElement>("[data-keys-switch]");
    if (!toggle) return;
    toggle.checked = this.on;
    toggle.addEventListener("change", () => this.memory.setItem(SWITCH, toggle.checked ? "on" : "off"));
  }

  get on(): boolean {
    return this.memory.getItem(SWITCH) !== "off";
  }

  /** Click the control a key belongs to. `?` works even when the other keys are switched off, or they could not be switched on again. */
  press(event: KeyboardEvent): void {
    const key = keyOf(event);
    if (key === null || this.page.querySelector("dialog[open]") || (!this.on && key !== "?")) return;
    const fresh = this.now() - this.prefixAt < SEQUENCE_MS;
    const sequence = fresh && this.prefix ? `${this.prefix} ${key}` : key;
    const control = this.control(sequence) ?? this.control(key);
    this.prefix = "";
    if (control) {
      event.preventDefault();
      activate(control);
    } else if (this.startsSequence(key)) {
      this.prefix = key;
      this.prefixAt = this.now();
    }
  }

  private controls(): HTMLElement[] {
    return [...this.page.querySelectorAll<HTMLElement>("[data-key]")].filter(
      (control) => !control.matches(":disabled, [aria-disabled='true']") && !control.closest("[hidden]"),
    );
  }

  private control(key: string): HTMLElement | undefined {
    return this.controls().find((control) => control.dataset.key?.toLowerCase() === key);
  }

  private startsSequence(key: string): boolean {
    return this.controls().some((control) => control.dataset.key?.toLowerCase().startsWith(`${key} `));
  }

  private open(id: string): void {
    const sheet = this.page.getElementById(id) as HTMLDialogElement | null;
    const body = sheet?.querySelector("tbody");
    if (!sheet || !body) return;
    body.replaceChildren(...this.controls().map((control) => this.line(control)));
    sheet.showModal();
  }

  private line(control: HTMLElement): HTMLTableRowElement {
    const row = this.page.createElement("tr");
    const key = this.page.createElement("kbd");
    key.textContent = (control.dataset.key ?? "").toUpperCase();
    row.insertCell().append(key);
    row.insertCell().textContent = nameOf(control);
    return row;
  }
}

/** The words of a control without the key hint inside it. */
function nameOf(control: HTMLElement): string {
  const copy = control.cloneNode(true) as HTMLElement;
  for (const hint of copy.querySelectorAll("kbd")) hint.remove();
  return (control.getAttribute("aria-label") ?? copy.textContent ?? "").replace(/\s+/g, " ").trim();
}

function activate(control: HTMLElement): void {
  if (control.matches("input:not([type=checkbox], [type=radio], [type=submit]), textarea, select")) control.focus();
  else control.click();
}
