// The main button and the sum above it. The button is off from a press until the answer, and from a change until its
// price is there: nobody buys the same twice by a slip, or at a price that was not shown.
import { $, hear } from "./page.js";
import { isOffline } from "./net.js";
import { openPanel } from "./panel.js";

const cost = () => $("#cost [data-mode]")?.dataset;
let asked = 0; // counts changes; the sum says which it is for
let sending = false;
let later;
let tick = () => {};

const words = (button) => [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
const current = () => Number(cost()?.version ?? 0) >= asked;
const follow = () => {
  const button = $("#generate");
  const told = cost();
  if (!button || !told) return;
  words(button).data = sending ? "Sending…" : told.label; // in place: Gradio keeps hold of the text
  button.disabled = sending || !current() || told.pressable === "no" || (isOffline() && told.mode !== "choose");
};

export const order = {
  get version() {
    return String(asked);
  },
  // Something that has a price was changed.
  changed() {
    asked += 1;
    follow();
    clearTimeout(later);
    later = setTimeout(() => !current() && tick(), 700); // what was changed has asked by itself, as a rule
  },
  requestKey: () => crypto.randomUUID?.() ?? String(Math.random()).slice(2),
  answered() {
    sending = false;
    follow();
  },
};

const choose = () => $("#images input[type=file]")?.click();
const ACTS = { choose, made: () => openPanel("generators") };

// Before Gradio hears of it.
document.addEventListener(
  "click",
  (event) => {
    const pressed = event.target.closest("#generate");
    if (!pressed) return;
    const mode = cost()?.mode ?? "choose";
    if (mode === "make" && !sending && current() && !isOffline()) {
      sending = true;
      follow();
      return;
    }
    event.stopImmediatePropagation();
    event.preventDefault();
    if (mode !== "make" && !sending) ACTS[mode]?.();
  },
  true,
);

// What is chosen in the rail and in the panel; not what is only typed to find it.
for (const name of ["input", "change"]) {
  document.addEventListener(
    name,
    ({ target }) => {
      const priced = target.closest("#options, #generator, #sent-choice, #tiles select, #own-key");
      if (priced) order.changed();
    },
    true,
  );
}
hear("pictures", () => order.changed());
hear("net", follow);

// A batch that ends changes what the button does; what it has cost so far stands above it.
let working = null;
hear("results", ({ state, spent }) => {
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
    follow();
  };
  watch("value", apply);
  apply();
};
