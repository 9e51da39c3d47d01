// The tiles of the pictures: chosen by a press or the arrows, taken out by × or Delete, joined as views of one object;
// files dropped anywhere on the page are taken, and stand here before the server has seen them.
import { order } from "./order.js";
import { pictures } from "./pictures.js";
import { $, $$, emit, escaped, listen, moveFocus, roving, stage } from "./page.js";

const input = () => $("#images input[type=file]");
const LOOKS_LIKE_A_PICTURE = /^image\//;
// As if they had been chosen in the file dialog.
const give = (files) => {
  const carried = new DataTransfer();
  for (const file of files) carried.items.add(file);
  input().files = carried.files;
  input().dispatchEvent(new Event("change", { bubbles: true }));
};

export const mount = ({ element, trigger, watch }) => {
  let shown = null; // path of the picture on the stage
  let checkedPaths = []; // paths, the front first
  let uploading = []; // files on their way to the server
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

  element.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    if (at(".drop, .plus")) return input()?.click();
    const cross = at("[data-remove]");
    if (cross) return remove(cross.dataset.remove);
    const split = at("[data-split]");
    if (split) return trigger("input", { act: "apart", paths: $$("[data-show]", split.closest("li")).map((one) => one.dataset.show) });
    if (at(".side-join")) return trigger("input", { act: "join", paths: checkedPaths });
    const button = at("[data-show]");
    if (button) show(button, true);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-clear]")) return;
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

  // What is on its way, in the tiles at once.
  const placeholders = () => {
    const list = $(".tiles", element);
    if (!list || !uploading.length) return;
    const tiles = uploading.map(({ name, url }) => `<li class="tile early"><span class="pic"><img src="${url}" alt=""></span>
      <span class="nm t" title="${escaped(name)}">${escaped(name)}</span><span class="st wait"><span class="spin"></span>Adding…</span></li>`);
    $(".add", list).insertAdjacentHTML("beforebegin", tiles.join(""));
  };
  const showUploading = (files) => {
    const room = 60;
    pictures.dropped();
    uploading = [...files].filter((file) => LOOKS_LIKE_A_PICTURE.test(file.type)).slice(0, room).map((file) => ({ name: file.name, url: URL.createObjectURL(file) }));
    if (!uploading.length) return;
    if (!$(".tiles", element)) {
      $(".drop", element)?.remove();
      element.insertAdjacentHTML("beforeend", '<ul class="tiles"><li class="tile add"></li></ul>');
    }
    placeholders();
  };
  // The file is given once its picture is gone: so there is room for it also in a batch that is full.
  listen("replace-picture", ({ path, file }) => {
    replacement = file;
    expected = file.name;
    remove(path);
  });
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("#images input[type=file]")) return;
    order.changed();
    showUploading(target.files);
  }, true);

  const update = () => {
    for (const { url } of uploading) URL.revokeObjectURL(url);
    uploading = [];
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
      give([file]);
    }
  };
  listen("step-picture", ({ by }) => {
    const all = buttons();
    const at = all.findIndex((one) => one.dataset.show === shown);
    const next = all[(at + by + all.length) % all.length];
    if (next) show(next);
  });
  watch("value", update);
  update();
};

// Pictures dropped anywhere on the page are taken: a browser would leave the page to show the file.
let inside = 0;
const carries = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragenter", (event) => {
  if (carries(event) && ++inside) document.body.dataset.dragging = "yes";
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
  give(event.dataTransfer.files);
}, true);
// Gradio's gallery hears of pasted pictures only while it is seen.
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => LOOKS_LIKE_A_PICTURE.test(file.type));
  if (input() && files.length && document.body.dataset.page === "create") give(files);
});
