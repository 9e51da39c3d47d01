// Keyboard shortcuts, which work outside text fields.
import { $, $$, listen } from "./page.js";
import { ask } from "./dialog.js";

const LIST = [
  ["U", "Choose pictures"],
  ["Ctrl + Enter", "Make the models"],
  ["← →", "Model before or after"],
  ["1 2 3", "Textured, clay, wireframe"],
  ["E", "Export"],
  ["F", "Full screen"],
  ["?", "This list"],
];
const visible = (selector) => $$(selector).find((item) => item.checkVisibility() && !item.disabled);
const ACTIONS = {
  u: () => $("#images input[type=file]")?.click(),
  e: () => visible("#export-open, [data-export]")?.click(),
  f: () => visible("[data-full]")?.click(),
  1: () => visible("[data-look=textured]")?.click(),
  2: () => visible("[data-look=clay]")?.click(),
  3: () => visible("[data-look=wireframe]")?.click(),
  "?": () => show(),
};

const show = () =>
  ask({
    title: "Keyboard shortcuts",
    rows: LIST.map(([key, action]) => [action, key]),
    buttons: [{ label: "Close", kind: "line", first: true }],
  });
listen("shortcuts", show);

const step = (by) => {
  const cards = $$("#board .job-card[data-state=done]");
  const at = cards.findIndex((card) => card.hasAttribute("aria-current"));
  cards[Math.min(cards.length - 1, Math.max(0, at + by))]?.click();
};

document.addEventListener("keydown", (event) => {
  if (document.body.dataset.page !== "create" || event.defaultPrevented || event.altKey) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = $("#generate");
    if (button && !button.disabled && $("#cost [data-mode=make]")) button.click();
    return;
  }
  const typing = event.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, dialog, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || document.body.dataset.panel) return;
  const free = event.target === document.body || event.target.closest("#viewer");
  if (free && event.key === "ArrowLeft") step(-1);
  else if (free && event.key === "ArrowRight") step(1);
  else ACTIONS[event.key.toLowerCase()]?.();
});
