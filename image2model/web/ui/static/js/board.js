// The results: a press shows a model, the first one that is done opens by itself; cancel, retry, list or grid.
import { $, $$, emit, escaped, listen, moveFocus, roving, stage } from "./page.js";
import { isOffline } from "./net.js";
import { openPanel } from "./panel.js";
import { ask } from "./dialog.js";

const startNew = () => {
  draft.forget();
  location.href = "./";
};
document.addEventListener("click", (event) => {
  if (!event.target.closest("#anew")) return;
  event.preventDefault();
  startNew();
});

// The board of what has just been sent, as the tiles show it, until the server tells its own.
const sendingBoard = (tiles) => {
  const rows = tiles.map(({ name, picture }) => `<li><div class="job-card"><span class="job-picture"><img src="${picture}" alt=""></span>
    <span class="job-text"><span class="job-name t">${escaped(name)}</span><span class="job-words"><span class="t">Sending…</span></span></span></div></li>`);
  const board = Object.assign(document.createElement("section"), { className: "board" });
  board.dataset.state = "sending";
  board.dataset.shape = tiles.length > 8 ? "grid" : "list";
  board.setAttribute("aria-busy", "true");
  board.innerHTML = `<header class="results-head"><div><h2>${tiles.length} model${tiles.length === 1 ? "" : "s"}</h2><p>Sending…</p></div></header><ol class="results">${rows.join("")}</ol>`;
  return board;
};

export const mount = ({ element, trigger, watch }) => {
  let chosen = null; // number of the job
  let batch = null;
  let shape = null; // list or grid, where the visitor has chosen it
  let userChose = false; // whether the visitor has chosen the model
  let retryPending = false; // until its result
  let sending = null; // the board of what has just been sent, and the one that stood there
  let before = null;

  const board = () => $(".board", element);
  const done = () => $$(".job-card[data-state=done]", element);
  const card = (number) => $(`.job-card[data-number="${number}"]`, element);

  const markCurrent = () => {
    for (const one of $$(".job-card", element)) {
      if (Number(one.dataset.number) === chosen) one.setAttribute("aria-current", "true");
      else one.removeAttribute("aria-current");
    }
    roving(done(), card(chosen) ?? done()[0]);
    if (shape && board()?.dataset.batch) board().dataset.shape = shape;
  };
  const select = (one) => {
    chosen = Number(one.dataset.number);
    markCurrent();
    stage.show("model");
    emit("result", { ...one.dataset, number: chosen, batch, madeBy: board().dataset.generator });
    trigger("select", { number: chosen });
  };
  const choose = (one) => {
    userChose = true;
    select(one);
  };

  const retry = async () => {
    const info = JSON.parse(board().dataset.retry);
    if (info.needsConfirmation) {
      const buttons = [
        ...(info.recheck.length ? [{ label: "Look again first", kind: "text first", value: "look" }] : []),
        { label: "Not now", kind: "line", first: true },
        { label: info.label, kind: "main", value: "again" },
      ];
      const answer = await ask({ title: info.title, rows: info.rows, text: info.hint, buttons });
      if (answer === "look") trigger("look", { numbers: info.recheck });
      if (answer !== "again") return;
    }
    retryPending = true;
    updateDisabled();
    trigger("input", { numbers: info.numbers });
  };
  const updateDisabled = () => {
    for (const button of $$("#retry, [data-retry-too]", element)) button.disabled = retryPending || isOffline();
    const cancel = $("#cancel", element);
    if (cancel && cancel.textContent === "Cancel") cancel.disabled = isOffline();
  };
  const actions = {
    look: (number) => trigger("look", { numbers: [number] }),
    key: () => openPanel("generators", "#own-key-field input"),
    model: (number) => {
      trigger("edit", { number });
      openPanel("generators");
    },
    relief: (number) => trigger("edit", { number, relief: true }),
  };

  element.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    const act = at("button.job-act");
    if (act) {
      act.disabled = true;
      return actions[act.dataset.kind](Number(act.closest(".job-card").dataset.number));
    }
    const one = at(".job-card[data-state=done]");
    if (one && !at("a")) return choose(one);
    const to = at("[data-shape-to]");
    if (to) {
      shape = to.dataset.shapeTo;
      return markCurrent();
    }
    if (at("#cancel")) {
      at("#cancel").disabled = true;
      at("#cancel").textContent = "Cancelling…";
      return trigger("stop");
    }
    if (at("#retry, [data-retry-too]")) return retry();
    if (at("[data-new]")) startNew();
  });
  element.addEventListener("keydown", (event) => {
    if (!event.target.matches(".job-card[data-state=done]")) return;
    moveFocus(event, done());
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(event.target);
    }
  });

  const update = () => {
    const now = board()?.dataset ?? { state: "empty" };
    if (sending && now.state !== "gone" && now.batch === before.dataset.batch) { // news of the batch before
      before = board();
      before.replaceWith(sending);
      return;
    }
    sending = null;
    retryPending = false;
    if (now.batch !== batch) {
      batch = now.batch;
      chosen = null;
      userChose = false;
      const asked = new URLSearchParams(location.search);
      if (asked.get("batch") === batch && asked.get("model")) chosen = Number(asked.get("model"));
      if (batch) scrollTo({ top: 0 });
    }
    document.body.toggleAttribute("data-shared", "shared" in now);
    if (now.batch) {
      delete document.documentElement.dataset.opening;
      stage.place.dataset.columns = "shared" in now ? "shared" : "three";
      const wanted = card(chosen);
      const ready = wanted?.dataset.state === "done";
      if (stage.shown !== "model" && stage.shown !== "chosen") stage.show("model");
      if (chosen === null && done()[0]) select(done()[0]);
      else if (ready && !userChose) choose(wanted);
      else if (chosen === null) {
        stage.show("model");
        emit("result-pending", { title: $(".job-card", element)?.dataset.name ?? "", picture: $(".job-card", element)?.dataset.picture });
      }
    } else if (now.state !== "loading" || !document.documentElement.dataset.opening) {
      delete document.documentElement.dataset.opening;
      stage.place.dataset.columns = "two";
      if (now.state === "gone") stage.show("gone");
      else if (stage.shown !== "chosen") stage.show("hero");
    }
    markCurrent();
    updateDisabled();
    emit("results", { ...now });
  };
  listen("submitting", () => {
    const tiles = $$("#tiles li:is([data-path], .early):not(.refused)").map((tile) => ({
      name: tile.dataset.name ?? $(".nm, .foot b", tile).textContent,
      picture: $("img", tile)?.getAttribute("src") ?? "",
    }));
    if (!tiles.length) return; // pressed before they were drawn
    before = board();
    sending = sendingBoard(tiles);
    before.replaceWith(sending);
    stage.show("model", "three");
    emit("result-pending", { title: tiles[0].name, picture: tiles[0].picture });
    scrollTo({ top: 0 });
  });
  listen("not-submitted", () => {
    if (!sending) return;
    sending.replaceWith(before);
    sending = null;
    stage.show("chosen");
    update();
  });
  listen("net", updateDisabled);
  watch("value", update);

  if (document.documentElement.dataset.opening) stage.show("loading", "three");
  else update();

  // A finished batch may be worked again, or deleted, from another page: while it is looked at, ask four times a minute,
  // and as soon as somebody comes back to it.
  const refresh = () => {
    const ended = board()?.dataset.batch && board().dataset.state !== "working";
    if (ended && element.checkVisibility() && !document.hidden) trigger("tick");
  };
  setInterval(refresh, 15000);
  document.addEventListener("visibilitychange", refresh);
};
