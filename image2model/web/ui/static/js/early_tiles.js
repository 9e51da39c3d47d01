// Tiles of files that the server has no tile of: they are on their way, or it did not take them, which says why.
import { $, $$, escaped, icon, OUTLINES } from "./page.js";
import { uploads } from "./uploads.js";

export const LOOKS_LIKE_A_PICTURE = /^image\//;
const MOST = 60; // tiles

const make = (one) => {
  const tile = Object.assign(document.createElement("li"), { className: "tile early" });
  one.url ??= URL.createObjectURL(one.file);
  tile.innerHTML = `<span class="pic"><img src="${one.url}" alt="" loading="lazy"></span>
    <button type="button" class="x"><i>${icon(OUTLINES.close)}</i></button><span class="nm t"></span><span class="st"></span>`;
  Object.assign($(".nm", tile), { textContent: one.file.name, title: one.file.name });
  $(".x", tile).setAttribute("aria-label", `Remove ${one.file.name}`);
  return tile;
};
const sayState = ({ tile, problem }) => {
  const level = problem ? "bad" : "wait";
  const state = $(".st", tile);
  if (state.classList.contains(level)) return;
  tile.classList.toggle("refused", Boolean(problem));
  tile.title = problem ?? "";
  state.className = `st ${level}`;
  state.innerHTML = problem ? `${icon(OUTLINES.bad)}Not sent` : '<span class="spin"></span>Adding…';
};

export const mountEarlyTiles = (element) => {
  const why = Object.assign(document.createElement("li"), { className: "note not-sent", role: "status" });
  const sayWhy = () => {
    const { count, sentence, canSendAgain } = uploads.refused();
    const again = canSendAgain ? '<button type="button" class="btn line sm" data-send-again>Try again</button>' : "";
    const words = `<span><b>${count} ${count === 1 ? "picture was" : "pictures were"} not sent.</b> ${escaped(sentence ?? "")}</span>${again}`;
    if (count && why.innerHTML !== words) why.innerHTML = words;
    return count ? [why] : [];
  };
  let dropZone = null; // while these tiles stand in its place

  // They stand after the server's. Gradio may make another tile of an element, and take one out.
  return () => {
    const known = new Set($$("[data-path], [data-show]", element).map(({ dataset }) => dataset.path ?? dataset.show));
    const isShown = (one) => one.problem || LOOKS_LIKE_A_PICTURE.test(one.file.type);
    const early = uploads.waiting(known).filter(isShown).slice(0, MOST);
    if (early.length && !$(".tiles", element)) {
      dropZone = $(".drop", element);
      const add = `<li class="tile add"><button type="button" class="plus">${icon(OUTLINES.plus)}Add</button></li>`;
      dropZone.replaceWith(Object.assign(document.createElement("ul"), { className: "tiles", innerHTML: add }));
    } else if (!early.length && !$("[data-path], .drop", element)) $(".tiles", element).replaceWith(dropZone);
    for (const one of early) {
      if (!one.tile?.classList.contains("early")) one.tile = make(one);
      sayState(one);
    }
    const wanted = [...early.map(({ tile }) => tile), ...sayWhy()];
    for (const there of $$(".early, .not-sent", element)) if (!wanted.includes(there)) there.remove();
    if (!wanted.every(({ isConnected }) => isConnected)) $(".add", element).before(...wanted);
  };
};
