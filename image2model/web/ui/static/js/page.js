// Shared by the modules of the page: finding elements, events, and the state of the Create page.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// The modules communicate by events on the document (`image2model:NAME`): "picture" (a picture was selected),
// "step-picture" (select the next or the previous), "replace-picture" (by an edited file), "pictures-shown" (their
// number), "submitting" and "not-submitted" (the order was sent, or failed), "results" (a new state of the batch),
// "board-ended" (no more states come), "result-pending" and "result" (the model on the stage, while it is made or not
// made, and when it is done), "order" (the main button's action may have changed), "stage" (the view in the middle of
// the page), "address" (the batch in it), "net" (offline or not), "generator" (the chosen one's id), "shortcuts".
export const emit = (name, detail = {}) => document.dispatchEvent(new CustomEvent(`image2model:${name}`, { detail }));
export const listen = (name, callback) => document.addEventListener(`image2model:${name}`, (event) => callback(event.detail));

export const escaped = (text) => Object.assign(document.createElement("i"), { textContent: text }).innerHTML;

export const icon = (path, kind = "") =>
  `<svg class="i ${kind}" viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
export const OUTLINES = {
  ok: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M8 12.3l2.8 2.8L16 9.6",
  warn: "M12 4 2.8 19.5h18.4L12 4ZM12 10v4M12 16.8v.2",
  bad: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7.5V13M12 16.2v.2",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
};

export const setPressed = (button, buttons) => {
  for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
};

// The group is one stop for Tab; arrows move inside.
export const roving = (items, current) => {
  const connected = items.filter((item) => item.isConnected);
  const stop = connected.includes(current) ? current : connected[0];
  for (const item of connected) item.tabIndex = item === stop ? 0 : -1;
};
export const moveFocus = (event, items) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const at = items.indexOf(event.target);
  if (!step || at < 0 || !items.length) return null;
  event.preventDefault();
  const next = items[Math.min(items.length - 1, Math.max(0, at + step))];
  roving(items, next);
  next.focus();
  return next;
};

// The view in the middle of the page, and the number of columns.
export const stage = {
  get place() {
    return $("#create");
  },
  show(view, columns) {
    const { place } = this;
    if (!place) return;
    if (columns) place.dataset.columns = columns;
    if (place.dataset.stage === view) return;
    place.dataset.stage = view;
    emit("stage", { view });
  },
  get shown() {
    return this.place?.dataset.stage;
  },
};

export const isNarrow = () => matchMedia("(max-width: 899px)").matches;
export const prefersReducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
// Whether this machine draws without a graphics card.
let software;
export const drawsInSoftware = () => {
  if (software !== undefined) return software;
  const gl = document.createElement("canvas").getContext("webgl");
  const debugInfo = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = debugInfo ? gl.getParameter(debugInfo.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  software = /swiftshader|llvmpipe|software|basic render/i.test(name);
  return software;
};
// A Unix time (seconds) in local words: "Today, 14:05", "Yesterday, 17:48", "29 Nov, 09:12".
export const localMoment = (seconds, now = Date.now()) => {
  const then = new Date(seconds * 1000);
  const midnight = (day) => new Date(day).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(now) - midnight(then)) / 86400000);
  const year = then.getFullYear() === new Date(now).getFullYear() ? undefined : "numeric";
  const day = ["Today", "Yesterday"][days] ?? then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year });
  return `${day}, ${then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
};
export const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
export const fileSize = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${megabytes(bytes)} MB`);

// Copies a text, and says so in a label for two seconds; where the browser forbids it, the text is there to be copied.
export const copyText = async (text, label, done) => {
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    prompt("Copy this:", text);
    return;
  }
  label.textContent = done;
  setTimeout(() => { label.textContent = before; }, 2000);
};
