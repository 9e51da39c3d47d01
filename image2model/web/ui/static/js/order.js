// The main button and the sum above it. The button is off from a press until the answer, and from a change until its
// price is there: nobody buys the same twice by a slip, or at a price that was not shown.
import { $, emit, listen } from "./page.js";
import { isOffline } from "./net.js";
import { openPanel } from "./panel.js";

const cost = () => $("#cost [data-mode]")?.dataset;
let changes = 0; // the sum says after which of them it was made
let sending = false;
let held = false; // pictures are on their way
let key = null;
let later;
let tick = () => {};

const labelNode = (button) => [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
const isPriced = () => Number(cost()?.version ?? 0) >= changes;
const current = () => !held && isPriced();
const update = () => {
  const button = $("#generate");
  const summary = cost();
  if (!button || !summary) return;
  labelNode(button).data = sending ? "Sending…" : held ? "Adding pictures…" : summary.label; // in place: Gradio keeps hold of the text
  button.disabled = sending || !current() || summary.pressable === "no" || (isOffline() && summary.mode !== "choose");
  emit("order", { isMade: summary.mode === "made" && current() });
};

// What the button does is no longer known: it is off until the next sum.
const invalidatePrice = () => {
  changes += 1;
  update();
  clearTimeout(later);
  later = setTimeout(() => !held && !isPriced() && tick(), 700); // what was changed has asked by itself, as a rule
};

export const order = {
  get version() {
    return String(changes);
  },
  // Something that has a price was changed.
  changed() {
    key = null;
    invalidatePrice();
  },
  // Pictures are on their way, or all are there.
  hold(now) {
    if (held === now) return;
    held = now;
    order.changed();
  },
  // The same for every press of this order until it is answered: whose answer was lost is not bought again.
  requestKey: () => (key ??= crypto.randomUUID?.() ?? [1, 2, 3].map(() => Math.random().toString(36).slice(2)).join("-")),
  answered() {
    sending = false;
    invalidatePrice();
  },
  // Gradio runs what comes `then` only where an event did not fail.
  refused() {
    order.answered();
    emit("not-submitted");
  },
};

const choose = () => $("#images input[type=file]")?.click();
const ACTIONS = { choose, made: () => openPanel("generators") };

// Before Gradio hears of it.
document.addEventListener(
  "click",
  (event) => {
    const clicked = event.target.closest("#generate");
    if (!clicked) return;
    const mode = cost()?.mode ?? "choose";
    if (mode === "make" && !sending && current() && !isOffline()) {
      sending = true;
      update();
      emit("submitting");
      return;
    }
    event.stopImmediatePropagation();
    event.preventDefault();
    if (mode !== "make" && !sending) ACTIONS[mode]?.();
  },
  true,
);

// What is chosen in the rail and in the panel. Not "change": a field tells that when it is left, which is when the
// button is pressed, and a button that goes off under the pointer is not pressed. Gradio's lists tell neither.
const PRICED = { input: "#options, #generator, #sent-choice, #tiles select, #own-key", mousedown: "#options [role=option]" };
for (const [name, places] of Object.entries(PRICED)) {
  document.addEventListener(name, ({ target }) => target.closest(places) && order.changed(), true);
}
listen("net", update);
listen("address", () => { key = null; });

// A batch that ends changes what the button does; what it has cost so far stands above it.
let working = null;
listen("results", ({ state, spent }) => {
  const now = state === "working";
  if (working !== null && now !== working) tick();
  working = now;
  const done = $("#cost [data-done]");
  if (done && now && spent) done.textContent = `${spent.replace(/ spent$/, "")} spent so far`;
});

export const mount = ({ element, trigger, watch }) => {
  tick = () => trigger("tick");
  const apply = () => {
    const summary = $("#options > button > span");
    if (summary) summary.dataset.summary = cost()?.summary ?? "";
    update();
  };
  watch("value", apply);
  apply();
};
