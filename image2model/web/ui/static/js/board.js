// The results: a click shows a model, the first finished model opens by itself; cancel, retry, list or grid.
import { $, $$, emit, escaped, listen, moveFocus, roving, stage } from "./page.js";
import { isOffline } from "./net.js";
import { openPanel } from "./panel.js";
import { showBoards } from "./board_stream.js";
import { ask } from "./dialog.js";

const startNewBatch = () => {
  draft.clear();
  location.href = "./";
};
document.addEventListener("click", (event) => {
  if (!event.target.closest("#anew")) return;
  event.preventDefault();
  startNewBatch();
});

// The board of the batch just sent, made from the tiles, until the server renders its own.
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

export const mount = ({ element, trigger, props }) => {
  let selectedNumber = null; // of the job
  let batch = null;
  let shape = null; // list or grid, where the visitor has chosen it
  let userChose = false; // whether the visitor has chosen the model
  let retryPending = false; // until its result
  let sending = null; // the board of the batch just sent
  let previousBoard = null; // the board it replaced

  const board = () => $(".board", element);
  const done = () => $$(".job-card[data-state=done]", element);
  const card = (number) => $(`.job-card[data-number="${number}"]`, element);

  const markCurrent = () => {
    for (const item of $$(".job-card", element)) {
      if (Number(item.dataset.number) === selectedNumber) item.setAttribute("aria-current", "true");
      else item.removeAttribute("aria-current");
    }
    roving(done(), card(selectedNumber) ?? done()[0]);
    if (shape && board()?.dataset.batch) board().dataset.shape = shape;
  };
  const select = (item) => {
    selectedNumber = Number(item.dataset.number);
    markCurrent();
    stage.show("model");
    emit("result", { ...item.dataset, number: selectedNumber, batch, madeBy: board().dataset.generator });
    trigger("select", { number: selectedNumber });
  };
  const choose = (item) => {
    userChose = true;
    select(item);
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
    const action = at("button.job-act");
    if (action) {
      action.disabled = true;
      return actions[action.dataset.kind](Number(action.closest(".job-card").dataset.number));
    }
    const item = at(".job-card[data-state=done]");
    if (item && !at("a")) return choose(item);
    const shapeButton = at("[data-shape-to]");
    if (shapeButton) {
      shape = shapeButton.dataset.shapeTo;
      return markCurrent();
    }
    if (at("#cancel")) {
      at("#cancel").disabled = true;
      at("#cancel").textContent = "Cancelling…";
      return trigger("stop");
    }
    if (at("#retry, [data-retry-too]")) return retry();
    if (at("[data-new]")) startNewBatch();
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
    const data = board()?.dataset ?? { state: "empty" };
    if (sending && data.state !== "gone" && data.batch === previousBoard.dataset.batch) { // an update of the previous batch
      previousBoard = board();
      previousBoard.replaceWith(sending);
      return;
    }
    sending = null;
    retryPending = false;
    if (data.batch !== batch) {
      batch = data.batch;
      selectedNumber = null;
      userChose = false;
      const params = new URLSearchParams(location.search);
      if (params.get("batch") === batch && params.get("model")) selectedNumber = Number(params.get("model"));
      if (batch) scrollTo({ top: 0 });
    }
    document.body.toggleAttribute("data-shared", "shared" in data);
    if (data.batch) {
      delete document.documentElement.dataset.opening;
      stage.place.dataset.columns = "shared" in data ? "shared" : "three";
      const selected = card(selectedNumber);
      const ready = selected?.dataset.state === "done";
      if (stage.shown !== "model" && stage.shown !== "chosen") stage.show("model");
      if (selectedNumber === null && done()[0]) select(done()[0]);
      else if (ready && !userChose) choose(selected);
      else if (selectedNumber === null) {
        const first = $(".job-card", element)?.dataset;
        stage.show("model");
        emit("result-pending", { title: first?.name ?? "", picture: first?.picture, ended: data.state !== "working" });
      }
    } else if (data.state !== "loading" || !document.documentElement.dataset.opening) {
      delete document.documentElement.dataset.opening;
      stage.place.dataset.columns = "two";
      if (data.state === "gone") stage.show("gone");
      else if (stage.shown !== "chosen") stage.show("hero");
    }
    markCurrent();
    updateDisabled();
    emit("results", { ...data });
  };
  listen("submitting", () => {
    const tiles = $$("#tiles li:is([data-path], .early):not(.refused)").map((tile) => ({
      name: tile.dataset.name ?? $(".nm, .foot b", tile).textContent,
      picture: $("img", tile)?.getAttribute("src") ?? "",
    }));
    if (!tiles.length) return; // clicked before they were drawn
    previousBoard = board();
    sending = sendingBoard(tiles);
    previousBoard.replaceWith(sending);
    stage.show("model", "three");
    emit("result-pending", { title: tiles[0].name, picture: tiles[0].picture });
    scrollTo({ top: 0 });
  });
  listen("not-submitted", () => {
    if (!sending) return;
    sending.replaceWith(previousBoard);
    sending = null;
    stage.show("chosen");
    update();
  });
  listen("net", updateDisabled);
  showBoards((html) => {
    if (html === props.value) return;
    props.value = html; // Gradio renders it in a microtask
    queueMicrotask(update);
  });

  if (document.documentElement.dataset.opening) stage.show("loading", "three");
  setTimeout(update); // when all components listen: the board may have come before this script

  // Another page may retry or delete a finished batch: while it is visible, refresh four times a minute, and as soon as
  // the visitor comes back to this page.
  const refresh = () => {
    const ended = board()?.dataset.batch && board().dataset.state !== "working";
    if (ended && element.checkVisibility() && !document.hidden) trigger("tick");
  };
  setInterval(refresh, 15000);
  document.addEventListener("visibilitychange", refresh);
};
