// Copy buttons: data-copy names the element whose text is copied, or with data-copy="" the address of the page.

/** Show and wire every copy button inside `root`. Without a clipboard they stay hidden: the text beside them can be selected. */
export function copyButtons(root: ParentNode, clipboard: Pick<Clipboard, "writeText"> | undefined, announce: (text: string) => void): void {
  if (!clipboard) return;
  for (const button of root.querySelectorAll<HTMLButtonElement>("button[data-copy]:not([data-wired])")) {
    button.hidden = false;
    button.dataset.wired = "";
    button.addEventListener("click", () => void copy(button, clipboard, announce));
  }
}

async function copy(button: HTMLButtonElement, clipboard: Pick<Clipboard, "writeText">, announce: (text: string) => void): Promise<void> {
  const id = button.dataset.copy ?? "";
  const source = id === "" ? null : button.ownerDocument.getElementById(id);
  if (id !== "" && !source) return;
  const text = source ? (source.textContent ?? "") : button.ownerDocument.location.href;
  try {
    await clipboard.writeText(text);
  } catch {
    if (source) button.ownerDocument.getSelection()?.selectAllChildren(source);
    return;
  }
  announce(button.dataset.copied ?? "");
  const label = button.textContent;
  button.textContent = button.dataset.copied ?? label;
  button.addEventListener("blur", () => (button.textContent = label), { once: true });
}
