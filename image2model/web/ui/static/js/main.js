// The page's frame: navigation, menu, theme, connection, keyboard shortcuts; and the modules of all components, so that
// none is mounted, and none sends an event, before all can listen.
import * as address from "./address.js";
import * as admin from "./admin.js";
import * as api from "./api.js";
import * as board from "./board.js";
import * as boards from "./board_stream.js";
import * as chosen from "./chosen.js";
import * as examples from "./examples.js";
import * as exporting from "./export.js";
import * as facts from "./facts.js";
import * as library from "./library.js";
import * as options from "./options.js";
import * as order from "./order.js";
import { $, $$, emit, listen } from "./page.js";
import * as picker from "./picker.js";
import { pictures } from "./pictures.js";
import * as stageBar from "./stage_bar.js";
import * as tiles from "./tiles.js";
import { uploads } from "./uploads.js";
import * as viewer from "./viewer.js";
import "./net.js";
import "./shortcuts.js";

const components = { admin, api, board, chosen, examples, export: exporting, facts, library, options, order, picker, stage_bar: stageBar, tiles, viewer };
window.image2model.provide({ address, boards, components, order: order.order, pictures, uploads });

const PAGES = ["create", "library", "api", "admin"];

const showPage = (page) => {
  if (!PAGES.includes(page)) return;
  $(`#tabs [role=tab][data-tab-id=${page}]`)?.click();
  for (const link of $$("[data-page]")) {
    if (link.closest(".nav")) link.toggleAttribute("aria-current", link.dataset.page === page);
    if (link.closest(".nav") && link.dataset.page === page) link.setAttribute("aria-current", "page");
  }
  document.body.dataset.page = page;
};

// The address names the open page, so that a reload, or signing in at Hugging Face, comes back to it. It goes before
// the batch: of several query parameters, Gradio's sign-in keeps the first only.
const navigate = (page) => {
  const url = new URL(location.href);
  url.searchParams.delete("tab");
  url.search = new URLSearchParams([...(page === "create" ? [] : [["tab", page]]), ...url.searchParams]);
  history.pushState(null, "", url);
  showPage(page);
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

const toggleTheme = () => {
  const dark = !document.body.classList.contains("dark");
  document.body.classList.toggle("dark", dark);
  try {
    localStorage.setItem("image2model-theme", dark ? "dark" : "light");
  } catch {} // a browser without storage
};

document.addEventListener("click", (event) => {
  const page = event.target.closest("a[data-page]");
  if (page && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    navigate(page.dataset.page);
  }
  const onButton = event.target.closest("#menu-button");
  if (onButton) menu.toggle(menu.box.hidden);
  else if (menu.box && !menu.box.hidden) menu.toggle(false);
  if (event.target.closest("[data-theme]")) toggleTheme();
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

// Back and Forward: another page is shown at once, another batch reloads the page.
let batch = new URLSearchParams(location.search).get("batch");
addEventListener("popstate", () => {
  const params = new URLSearchParams(location.search);
  if (params.get("batch") !== batch) location.reload();
  else showPage(params.get("tab") ?? "create");
});
listen("address", (shown) => {
  batch = shown.batch || null;
});

// Gradio mounts its tabs late.
const initialPage = new URLSearchParams(location.search).get("tab") ?? "create";
const mounted = setInterval(() => {
  if (!$(`#tabs [role=tab][data-tab-id=${initialPage}]`) && PAGES.includes(initialPage)) return;
  clearInterval(mounted);
  showPage(PAGES.includes(initialPage) ? initialPage : "create");
}, 20);
