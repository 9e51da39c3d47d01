// The frame: where one is, the menu, the theme, the net, the keyboard's shortcuts.
import * as address from "./address.js";
import * as order from "./order.js";
import { pictures } from "./pictures.js";
import { ask } from "./dialog.js";
import { $, $$, emit, listen } from "./page.js";
import * as panel from "./panel.js";
import { uploads } from "./uploads.js";
import "./net.js";
import "./shortcuts.js";

// What Gradio's own steps call (`js=` in Python).
window.studio = { address, order: order.order, pictures, uploads };

const PAGES = ["create", "library", "api", "admin"];

export const open = (page) => {
  if (!PAGES.includes(page)) return;
  $(`#tabs [role=tab][data-tab-id=${page}]`)?.click();
  for (const link of $$("[data-page]")) {
    if (link.closest(".nav")) link.toggleAttribute("aria-current", link.dataset.page === page);
    if (link.closest(".nav") && link.dataset.page === page) link.setAttribute("aria-current", "page");
  }
  document.body.dataset.page = page;
};

// The address names the page that is open, so that a reload, or signing in at Hugging Face, comes back to it. It stands
// before the batch: of several fields, Gradio's sign-in brings back the first alone.
const go = (page) => {
  const url = new URL(location.href);
  url.searchParams.delete("tab");
  url.search = new URLSearchParams([...(page === "create" ? [] : [["tab", page]]), ...url.searchParams]);
  history.pushState(null, "", url);
  open(page);
  scrollTo(0, 0);
};

const menu = {
  get box() {
    return $("#menu");
  },
  toggle(shown) {
    this.box.hidden = !shown;
    $("#menu-button").setAttribute("aria-expanded", String(shown));
    if (shown) $("[role=menuitem]", this.box).focus();
  },
};

const flipTheme = () => {
  const dark = !document.body.classList.contains("dark");
  document.body.classList.toggle("dark", dark);
  try {
    localStorage.setItem("image2model-theme", dark ? "dark" : "light");
  } catch {} // a browser that keeps nothing
};

document.addEventListener("click", (event) => {
  const page = event.target.closest("a[data-page]");
  if (page && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(page.dataset.page);
  }
  const onButton = event.target.closest("#menu-button");
  if (onButton) menu.toggle(menu.box.hidden);
  else if (menu.box && !menu.box.hidden) menu.toggle(false);
  if (event.target.closest("[data-theme]")) flipTheme();
  if (event.target.closest("[data-shortcuts]")) emit("shortcuts");
});
document.addEventListener("keydown", (event) => {
  if (!menu.box || menu.box.hidden) return;
  const items = $$("[role=menuitem]", menu.box);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    menu.toggle(false);
    $("#menu-button").focus();
  } else if (step) {
    event.preventDefault();
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  }
});

// Back and Forward: another page is shown at once, another batch is opened anew.
let batch = new URLSearchParams(location.search).get("batch");
addEventListener("popstate", () => {
  const asked = new URLSearchParams(location.search);
  if (asked.get("batch") !== batch) location.reload();
  else open(asked.get("tab") ?? "create");
});
listen("address", (shown) => {
  batch = shown.batch || null;
});

// Gradio mounts its tabs late.
const wanted = new URLSearchParams(location.search).get("tab") ?? "create";
const mounted = setInterval(() => {
  if (!$(`#tabs [role=tab][data-tab-id=${wanted}]`) && PAGES.includes(wanted)) return;
  clearInterval(mounted);
  open(PAGES.includes(wanted) ? wanted : "create");
}, 20);

export { ask, panel };
