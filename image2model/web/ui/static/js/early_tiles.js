// Tiles of files that have no tile from the server: they are on their way, or were not accepted.
import { $, $$, escaped, icon, OUTLINES } from "./page.js";
import { uploads } from "./uploads.js";

const PICTURE_TYPE = /^image\//;
const MAX_TILES = 60;

const makeTile = (upload) => {
  const tile = Object.assign(document.createElement("li"), { className: "tile early" });
  upload.url ??= URL.createObjectURL(upload.file);
  tile.innerHTML = `<span class="pic"><img src="${upload.url}" alt="" loading="lazy"></span>
    <button type="button" class="x"><i>${icon(OUTLINES.close)}</i></button><span class="nm t"></span><span class="st"></span>`;
  Object.assign($(".nm", tile), { textContent: upload.file.name, title: upload.file.name });
  $(".x", tile).setAttribute("aria-label", `Remove ${upload.file.name}`);
  return tile;
};
const updateState = ({ tile, error }) => {
  const level = error ? "bad" : "wait";
  const state = $(".st", tile);
  if (state.classList.contains(level)) return;
  tile.classList.toggle("refused", Boolean(error));
  tile.title = error ?? "";
  state.className = `st ${level}`;
  state.innerHTML = error ? `${icon(OUTLINES.bad)}Not sent` : '<span class="spin"></span>Adding…';
};

export const mountEarlyTiles = (element) => {
  let notice = null;
  const notices = () => {
    const { count, reason, canSendAgain } = uploads.refused();
    const again = canSendAgain ? '<button type="button" class="btn line sm" data-send-again>Try again</button>' : "";
    const words = `<span><b>${count} ${count === 1 ? "picture was" : "pictures were"} not sent.</b> ${escaped(reason ?? "")}</span>${again}`;
    if (!notice?.classList.contains("not-sent")) {
      notice = Object.assign(document.createElement("li"), { className: "note not-sent", role: "status" });
    }
    if (count && notice.dataset.words !== words) notice.innerHTML = notice.dataset.words = words; // it may have the focus
    return count ? [notice] : [];
  };
  let dropZone = null; // while these tiles stand in its place

  // They stand after the server's. Gradio may turn an element into another tile, or remove it.
  return () => {
    const known = new Set($$("[data-path], [data-show]", element).map(({ dataset }) => dataset.path ?? dataset.show));
    const hasTile = ({ error, file }) => error || PICTURE_TYPE.test(file.type);
    const early = uploads.waiting(known).filter(hasTile).slice(0, MAX_TILES);
    if (early.length && !$(".tiles", element)) {
      dropZone = $(".drop", element);
      const add = `<li class="tile add"><button type="button" class="plus">${icon(OUTLINES.plus)}Add</button></li>`;
      dropZone.replaceWith(Object.assign(document.createElement("ul"), { className: "tiles", innerHTML: add }));
    } else if (!early.length && !$("[data-path], .drop", element)) $(".tiles", element).replaceWith(dropZone);
    for (const upload of early) {
      if (!upload.tile?.classList.contains("early")) upload.tile = makeTile(upload);
      updateState(upload);
    }
    const wanted = [...early.map(({ tile }) => tile), ...notices()];
    for (const tile of $$(".early, .not-sent", element)) if (!wanted.includes(tile)) tile.remove();
    if (!wanted.every(({ isConnected }) => isConnected)) $(".add", element).before(...wanted);
  };
};
