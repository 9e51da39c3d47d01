// The tiles of the pictures: selected by a click or the arrows, removed by × or Delete, joined as views of one object.
// Files dropped anywhere on the page are added.
import { addDropped, addPasted } from "./dropped.js";
import { mountEarlyTiles } from "./early_tiles.js";
import { order } from "./order.js";
import { pictures } from "./pictures.js";
import { $, $$, emit, listen, moveFocus, roving, stage } from "./page.js";
import { uploads } from "./uploads.js";

const input = () => $("#images input[type=file]");
const WARM_MS = 30_000; // for which the server keeps its workers, at least
let warmUp = () => {};

export const mount = ({ element, trigger, watch }) => {
  const showEarlyTiles = mountEarlyTiles(element);
  let shown = null; // path of the picture on the stage
  let checkedPaths = []; // paths, the front first
  let replacement = null; // the edited file of a picture that was removed
  let replacementName = ""; // until it is on the stage

  const buttons = () => $$("[data-show]", element);
  const show = (button, clicked = false) => {
    shown = button.dataset.show;
    for (const tile of $$("[aria-current]", element)) tile.removeAttribute("aria-current");
    button.closest("li").setAttribute("aria-current", "true");
    emit("picture", { ...button.dataset, count: buttons().length, clicked });
  };
  const remove = (path) => {
    const tiles = $$("li[data-path]", element);
    const at = tiles.findIndex((tile) => tile.dataset.path === path);
    const next = $("[data-show]", tiles[at + 1] ?? tiles[at - 1]) ?? null;
    pictures.remove(path);
    tiles[at]?.remove();
    if (shown === path) shown = null;
    order.changed();
    trigger("clear");
    next?.focus();
  };
  const removeEarly = (tile) => {
    const path = uploads.remove(tile);
    if (path) remove(path);
  };

  element.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    if (at(".drop, .plus")) return input()?.click();
    const cross = at(".x");
    if (cross) return cross.dataset.remove ? remove(cross.dataset.remove) : removeEarly(cross.closest("li"));
    if (at("[data-send-again]")) return uploads.sendAgain();
    const split = at("[data-split]");
    if (split) return trigger("input", { act: "apart", paths: $$("[data-show]", split.closest("li")).map((view) => view.dataset.show) });
    if (at(".side-join")) return trigger("input", { act: "join", paths: checkedPaths });
    const button = at("[data-show]");
    if (button) show(button, true);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-clear]")) return;
    uploads.clear();
    for (const tile of $$("li[data-path]", element)) pictures.remove(tile.dataset.path);
    for (const button of buttons()) pictures.remove(button.dataset.show);
    shown = null;
    order.changed();
    trigger("clear");
  });
  element.addEventListener("change", ({ target }) => {
    if (target.matches("[data-side]")) trigger("input", { act: "side", paths: [target.dataset.side], side: target.value });
    if (!target.matches("[type=checkbox]")) return;
    checkedPaths = checkedPaths.filter((path) => path !== target.value);
    if (target.checked) checkedPaths.push(target.value);
    $(".side-join", element).disabled = checkedPaths.length < 2 || checkedPaths.length > Number($(".tiles", element).dataset.most);
  });
  element.addEventListener("keydown", (event) => {
    if (!event.target.matches("[data-show]")) return;
    moveFocus(event, buttons());
    if (event.key === "Delete" || event.key === "Backspace") remove(event.target.closest("li").dataset.path);
  });

  // The file is added once its picture is gone: so there is room for it also in a full batch.
  listen("replace-picture", ({ path, file }) => {
    replacement = file;
    replacementName = file.name;
    remove(path);
  });
  // The file dialog is always opened by a click on its field.
  document.addEventListener("click", ({ target }) => target.matches("#images input[type=file]") && warmUp(), true);
  document.addEventListener("change", (event) => {
    const { target } = event;
    if (!target.matches("#images input[type=file]")) return;
    event.stopImmediatePropagation(); // Gradio would send all of them in one request
    uploads.add(target.files);
    target.value = "";
  }, true);

  const update = () => {
    showEarlyTiles();
    updateLabels();
    checkedPaths = [];
    // A check that began before a picture was removed still shows it.
    for (const tile of $$("li[data-path]", element)) if (pictures.isRemoved(tile.dataset.path)) tile.remove();
    const all = buttons();
    const current = all.find((button) => button.dataset.show === shown);
    const board = $("#board .board")?.dataset.state;
    document.body.dataset.pictures = String(all.length);
    const replaced = replacementName && all.findLast((button) => button.dataset.name === replacementName);
    if (replaced) {
      replacementName = "";
      show(replaced);
    } else if (current) {
      current.closest("li").setAttribute("aria-current", "true");
      if (stage.shown === "chosen") show(current);
    } else if (all.length && stage.shown !== "model" && stage.shown !== "loading" && (!board || board === "empty")) show(all[0]);
    roving(all, current ?? all[0]);
    emit("pictures-shown", { count: all.length });
    if (replacement) {
      const file = replacement;
      replacement = null;
      uploads.add([file]);
    }
  };
  // A picture of the batch that is shown is no longer ready to be sent.
  let isMade = false;
  const updateLabels = () => {
    for (const state of $$(".st.ok", element)) state.lastChild.data = isMade ? "In this batch" : "Ready";
  };
  listen("order", (change) => {
    isMade = change.isMade;
    updateLabels();
  });
  listen("step-picture", ({ by }) => {
    const all = buttons();
    const at = all.findIndex((button) => button.dataset.show === shown);
    const next = all[(at + by + all.length) % all.length];
    if (next) show(next);
  });
  let warmedAt = -WARM_MS;
  warmUp = () => {
    if (performance.now() < warmedAt + WARM_MS) return;
    warmedAt = performance.now();
    trigger("focus");
  };
  uploads.mount({ trigger, redraw: showEarlyTiles });
  watch("value", update);
  update();
};

// Pictures dropped anywhere on the page are added: a browser would leave the page to show the file.
let dragDepth = 0;
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => {
  if (!hasFiles(event)) return;
  dragDepth += 1;
  document.body.dataset.dragging = "yes";
  warmUp();
});
document.addEventListener("dragleave", (event) => {
  if (hasFiles(event) && --dragDepth <= 0) delete document.body.dataset.dragging;
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  dragDepth = 0;
  delete document.body.dataset.dragging;
  if (!input() || !event.dataTransfer) return;
  const { dataTransfer } = event;
  if (!dataTransfer.files.length && event.target.closest("input, textarea")) return; // text for a field
  event.preventDefault();
  event.stopPropagation();
  void addDropped(dataTransfer, uploads.add);
}, true);
// Gradio's gallery takes pasted pictures only while it is visible.
document.addEventListener("paste", (event) => {
  if (!input() || !event.clipboardData || document.body.dataset.page !== "create") return;
  addPasted(event.clipboardData, uploads.add, Boolean(event.target.closest("input, textarea")));
});
