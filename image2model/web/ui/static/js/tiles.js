// The tiles of the pictures: chosen by a press or the arrows, taken out by × or Delete, joined as views of one object;
// files dropped anywhere on the page are taken.
import { LOOKS_LIKE_A_PICTURE, mountEarlyTiles } from "./early_tiles.js";
import { order } from "./order.js";
import { pictures } from "./pictures.js";
import { $, $$, emit, listen, moveFocus, roving, stage } from "./page.js";
import { uploads } from "./uploads.js";

const input = () => $("#images input[type=file]");
const READY_MS = 30_000; // that the server stays ready at least
let getReady = () => {};

export const mount = ({ element, trigger, watch }) => {
  const showEarly = mountEarlyTiles(element);
  let shown = null; // path of the picture on the stage
  let checkedPaths = []; // paths, the front first
  let replacement = null; // the file that takes the place of a picture that was taken out
  let expected = ""; // its name, until it is on the stage

  const buttons = () => $$("[data-show]", element);
  const show = (button, pressed = false) => {
    shown = button.dataset.show;
    for (const one of $$("[aria-current]", element)) one.removeAttribute("aria-current");
    button.closest("li").setAttribute("aria-current", "true");
    emit("picture", { ...button.dataset, count: buttons().length, pressed });
  };
  const remove = (path) => {
    const here = $$("li[data-path]", element);
    const at = here.findIndex((one) => one.dataset.path === path);
    const next = $("[data-show]", here[at + 1] ?? here[at - 1]) ?? null;
    pictures.remove(path);
    here[at]?.remove();
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
    if (split) return trigger("input", { act: "apart", paths: $$("[data-show]", split.closest("li")).map((one) => one.dataset.show) });
    if (at(".side-join")) return trigger("input", { act: "join", paths: checkedPaths });
    const button = at("[data-show]");
    if (button) show(button, true);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-clear]")) return;
    uploads.clear();
    for (const one of $$("li[data-path]", element)) pictures.remove(one.dataset.path);
    for (const one of buttons()) pictures.remove(one.dataset.show);
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

  // The file is given once its picture is gone: so there is room for it also in a batch that is full.
  listen("replace-picture", ({ path, file }) => {
    replacement = file;
    expected = file.name;
    remove(path);
  });
  // Whatever opens the file dialog clicks its field.
  document.addEventListener("click", ({ target }) => target.matches("#images input[type=file]") && getReady(), true);
  document.addEventListener("change", (event) => {
    const { target } = event;
    if (!target.matches("#images input[type=file]")) return;
    event.stopImmediatePropagation(); // Gradio would send all of them in one request
    uploads.take(target.files);
    target.value = "";
  }, true);

  const update = () => {
    showEarly();
    sayWhereTheyAre();
    checkedPaths = [];
    // A look that began before a picture was taken out still shows it.
    for (const one of $$("li[data-path]", element)) if (pictures.isRemoved(one.dataset.path)) one.remove();
    const all = buttons();
    const again = all.find((one) => one.dataset.show === shown);
    const board = $("#board .board")?.dataset.state;
    document.body.dataset.pictures = String(all.length);
    const replaced = expected && all.findLast((one) => one.dataset.name === expected);
    if (replaced) {
      expected = "";
      show(replaced);
    } else if (again) {
      again.closest("li").setAttribute("aria-current", "true");
      if (stage.shown === "chosen") show(again);
    } else if (all.length && stage.shown !== "model" && stage.shown !== "loading" && (!board || board === "empty")) show(all[0]);
    roving(all, again ?? all[0]);
    emit("pictures-shown", { count: all.length });
    if (replacement) {
      const file = replacement;
      replacement = null;
      uploads.take([file]);
    }
  };
  // A picture of the batch that is shown is no longer ready to be sent.
  let isMade = false;
  const sayWhereTheyAre = () => {
    for (const state of $$(".st.ok", element)) state.lastChild.data = isMade ? "In this batch" : "Ready";
  };
  listen("order", (now) => {
    isMade = now.isMade;
    sayWhereTheyAre();
  });
  listen("step-picture", ({ by }) => {
    const all = buttons();
    const at = all.findIndex((one) => one.dataset.show === shown);
    const next = all[(at + by + all.length) % all.length];
    if (next) show(next);
  });
  let askedAt = -READY_MS;
  getReady = () => {
    if (performance.now() < askedAt + READY_MS) return;
    askedAt = performance.now();
    trigger("focus");
  };
  uploads.mount({ trigger, redraw: showEarly });
  watch("value", update);
  update();
};

// Pictures dropped anywhere on the page are taken: a browser would leave the page to show the file.
let inside = 0;
const carries = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => {
  if (!carries(event)) return;
  inside += 1;
  document.body.dataset.dragging = "yes";
  getReady();
});
document.addEventListener("dragleave", (event) => {
  if (carries(event) && --inside <= 0) delete document.body.dataset.dragging;
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  inside = 0;
  delete document.body.dataset.dragging;
  if (!input() || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  event.stopPropagation();
  uploads.take(event.dataTransfer.files);
}, true);
// Gradio's gallery hears of pasted pictures only while it is seen.
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => LOOKS_LIKE_A_PICTURE.test(file.type));
  if (input() && files.length && document.body.dataset.page === "create") uploads.take(files);
});
