// The main button and the cost above it. The button is disabled from a click until the answer, and from a change until
// its price is shown: nobody buys the same twice by accident, or at a price that was not shown.
import { $, emit, listen } from "./page.js";
import { isOffline } from "./net.js";
import { openPanel } from "./panel.js";

const cost = () => $("#cost [data-mode]")?.dataset;
let changes = 0; // the cost names the number of changes it was computed after
let sending = false;
let uploading = false; // pictures are on their way
let requestKey = null; // idempotency key of this order
let priceTimer;
let refreshPrice = () => {};

const labelNode = (button) => [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
const isPriced = () => Boolean(cost()) && Number(cost().version) >= changes;
const canSubmit = () => !uploading && isPriced();
const update = () => {
  const button = $("#generate");
  const summary = cost();
  if (!button || !summary) return;
  labelNode(button).data = sending ? "Sending…" : uploading ? "Adding pictures…" : summary.label; // in place: Gradio updates this node
  button.disabled = sending || !canSubmit() || summary.pressable === "no" || (isOffline() && summary.mode !== "choose");
  emit("order", { isMade: summary.mode === "made" && canSubmit() });
};

// Usually a change itself has asked for the price. If none comes, ask, ever more rarely: an answer may have been lost.
const expectPrice = (pause = 700) => {
  clearTimeout(priceTimer);
  priceTimer = setTimeout(() => {
    if (isPriced()) return;
    if (!uploading) refreshPrice();
    expectPrice(Math.min(4 * pause, 30000));
  }, pause);
};
// The price is out of date: the button is disabled until the next.
const invalidatePrice = () => {
  changes += 1;
  update();
  expectPrice();
};

export const order = {
  get version() {
    return String(changes);
  },
  // Something that affects the price was changed.
  changed() {
    requestKey = null;
    invalidatePrice();
  },
  // Pictures are on their way, or all have arrived.
  setUploading(value) {
    if (uploading === value) return;
    uploading = value;
    order.changed();
  },
  // The same for every click until the order is answered: an order whose answer was lost is not bought again.
  requestKey: () => (requestKey ??= crypto.randomUUID?.() ?? [1, 2, 3].map(() => Math.random().toString(36).slice(2)).join("-")),
  answered() {
    sending = false;
    invalidatePrice();
  },
  // Gradio runs a `then` step only where the event did not fail.
  failed() {
    order.answered();
    emit("not-submitted");
  },
};

const choose = () => $("#images input[type=file]")?.click();
const ACTIONS = { choose, made: () => openPanel("generators") };

// In the capture phase, before Gradio's own listener.
document.addEventListener(
  "click",
  (event) => {
    const clicked = event.target.closest("#generate");
    if (!clicked) return;
    const mode = cost()?.mode ?? "choose";
    if (mode === "make" && !sending && canSubmit() && !isOffline()) {
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

// Choices in the rail and in the panel. Not "change": a field sends that when it loses the focus, which is when the
// button is clicked, and a button that is disabled under the pointer gets no click.
const PRICED = "#options, #generator, #sent-choice, #tiles select, #own-key";
document.addEventListener("input", ({ target }) => target.closest(PRICED) && order.changed(), true);
listen("net", update);
listen("address", () => { requestKey = null; });

// A batch that ends changes what the button does; its cost so far is shown above it.
let working = null;
listen("results", ({ state, spent }) => {
  const isWorking = state === "working";
  if (working !== null && isWorking !== working) refreshPrice();
  working = isWorking;
  const done = $("#cost [data-done]");
  if (done && isWorking && spent) done.textContent = `${spent.replace(/ spent$/, "")} spent so far`;
});

export const mount = ({ element, trigger, watch }) => {
  refreshPrice = () => trigger("tick");
  const apply = () => {
    const summary = $("#options > button > span");
    if (summary) summary.dataset.summary = cost()?.summary ?? "";
    update();
  };
  watch("value", apply);
  apply();
  if (!isPriced()) expectPrice(5000);
};
