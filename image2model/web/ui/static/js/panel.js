// A panel over the page: the generators, the export, a picture on the phone. One at a time; Esc closes it and returns
// the focus; Tab stays inside.
import { $, $$ } from "./page.js";

const PANELS = { generators: "#generators", export: ".pop", picture: "#chosen" };
let opener = null;

export const isOpen = (name) => document.body.dataset.panel === name;
export const openPanel = (name, focus) => {
  if (!document.body.dataset.panel) opener = document.activeElement;
  document.body.dataset.panel = name;
  const panel = $(PANELS[name]);
  const first = (focus && $(focus, panel)) || $("input:checked, button, select", panel);
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
  const fields = $$("a[href], button, input, select", $(PANELS[name])).filter((field) => !field.disabled && field.tabIndex >= 0 && field.checkVisibility());
  const isUncheckedRadio = ({ type, name: group, checked }) => type === "radio" && !checked && fields.some((other) => other.name === group && other.checked);
  const stops = fields.filter((field) => !isUncheckedRadio(field));
  const [first, last] = [stops[0], stops.at(-1)];
  const leaves = event.shiftKey ? document.activeElement === first : document.activeElement === last;
  if (leaves || !$(PANELS[name]).contains(document.activeElement)) {
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }
});
