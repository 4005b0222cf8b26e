// Toasts leave by themselves after ten seconds, unless the pointer or the focus rests on them; what they say goes to the live region.

const STAY_MS = 10_000;

export function toasts(root: ParentNode, wait: (ms: number, then: () => void) => void, announce: (text: string) => void): void {
  for (const toast of root.querySelectorAll<HTMLElement>("[data-toast]:not([data-wired])")) {
    toast.dataset.wired = "";
    announce(toast.querySelector("[data-announce]")?.textContent?.trim() ?? "");
    leave(toast, wait);
  }
}

function leave(toast: HTMLElement, wait: (ms: number, then: () => void) => void): void {
  wait(STAY_MS, () => {
    if (toast.matches(":hover") || toast.contains(toast.ownerDocument.activeElement)) leave(toast, wait);
    else toast.remove();
  });
}
