// A panel over the page: the generators, the export, a picture on the phone. One at a time; Esc closes it and gives the
// focus back; Tab stays inside.
import { $, $$ } from "./page.js";

const PLACES = { generators: "#generators", export: ".pop", picture: "#chosen" };
let opener = null;

export const isOpen = (name) => document.body.dataset.panel === name;
export const openPanel = (name, focus) => {
  if (!document.body.dataset.panel) opener = document.activeElement;
  document.body.dataset.panel = name;
  const place = $(PLACES[name]);
  const first = (focus && $(focus, place)) || $("input:checked, button, select", place);
  first?.focus({ preventScroll: true });
  for (const button of $$("[aria-haspopup=dialog][aria-expanded]")) button.setAttribute("aria-expanded", String(name === "export"));
};
export const closePanel = () => {
  if (!document.body.dataset.panel) return;
  delete document.body.dataset.panel;
  for (const button of $$("[aria-haspopup=dialog][aria-expanded]")) button.setAttribute("aria-expanded", "false");
  const back = opener?.isConnected ? opener : $("[data-panel-open]");
  opener = null;
  back?.focus({ preventScroll: true });
};

document.addEventListener("click", (event) => {
  if (event.target.closest(".scrim, [data-panel-close]")) closePanel();
  const open = event.target.closest("[data-panel-open]");
  if (open) openPanel("generators", open.dataset.panelOpen === "key" ? "#own-key-field input" : null);
});
document.addEventListener("pointerdown", (event) => {
  if (isOpen("export") && !event.target.closest(".pop, #export-open, [data-export], dialog")) closePanel();
});
document.addEventListener("keydown", (event) => {
  const name = document.body.dataset.panel;
  if (!name || $("dialog[open]")) return;
  if (event.key === "Escape") {
    event.preventDefault();
    closePanel();
  }
  if (event.key !== "Tab") return;
  const inside = $$("a[href], button, input, select", $(PLACES[name])).filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility());
  const radios = (one) => one.type === "radio" && !one.checked && inside.some((other) => other.name === one.name && other.checked);
  const stops = inside.filter((one) => !radios(one));
  const [first, last] = [stops[0], stops.at(-1)];
  const leaves = event.shiftKey ? document.activeElement === first : document.activeElement === last;
  if (leaves || !$(PLACES[name]).contains(document.activeElement)) {
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }
});
