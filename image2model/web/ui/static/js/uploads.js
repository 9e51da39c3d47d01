// Files on their way to the server, in the order in which they were dropped. The first is sent alone, and the others once
// it is checked, so that its result is there soon. What has arrived is checked together, as soon as the last check ends.
import { isOffline } from "./net.js";
import { order } from "./order.js";
import { listen } from "./page.js";
import { pictures } from "./pictures.js";

const MAX_PARALLEL_UPLOADS = 2;
const TOO_LARGE = "It is too large.";
const UNREACHABLE = "The server cannot be reached.";
const UNCHECKED = "The server could not check it.";

// {file, sent, image: Gradio's file once it has arrived, path: once it is in the gallery or refused, error: why it is in
// neither, tile, url: preview}
let files = [];
let checking = []; // the files that are being checked
let firstUnchecked = false; // no file of this drop has been checked
let uploading = 0;
let tiles = {}; // `trigger` fires an event of Gradio's, `redraw`

const forget = (done) => {
  for (const { url } of done) URL.revokeObjectURL(url);
  files = files.filter((file) => !done.includes(file));
};

const isPending = ({ path, error }) => !path && !error;
const updateOrder = () => order.setUploading(files.some(isPending));

// The path of the uploaded file; throws a sentence where the server does not accept it.
const upload = async (file) => {
  if (file.size > (window.gradio_config?.max_file_size ?? Infinity)) throw new Error(TOO_LARGE);
  const form = new FormData();
  form.append("files", file);
  const response = await fetch("gradio_api/upload", { method: "POST", body: form }).catch(() => null);
  if (!response) throw new Error(UNREACHABLE);
  if (response.status === 413) throw new Error(TOO_LARGE);
  const result = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(result.message ?? `The server answered with HTTP ${response.status}.`);
  return result[0];
};

const send = async (entry) => {
  entry.sent = true;
  uploading += 1;
  try {
    const { name, size, type } = entry.file;
    entry.image = { path: await upload(entry.file), size, orig_name: name, mime_type: type, meta: { _type: "gradio.FileData" } };
  } catch ({ message }) {
    // The same reason refuses those that wait, except a file's size.
    const others = message === TOO_LARGE ? [] : files.filter(({ sent }) => !sent);
    for (const refused of [entry, ...others]) refused.error = message;
  }
  uploading -= 1;
  proceed();
};

const sendAgain = () => {
  const refused = files.filter(({ error }) => error && error !== TOO_LARGE);
  for (const entry of refused) entry.error = entry.image = entry.sent = undefined;
  proceed();
};
listen("net", () => !isOffline() && files.some(({ error }) => error === UNREACHABLE) && sendAgain());

const proceed = () => {
  updateOrder();
  const unchecked = files.filter(isPending);
  if (!checking.length) {
    const missing = unchecked.findIndex(({ image }) => !image);
    checking = missing < 0 ? unchecked : unchecked.slice(0, missing);
    if (checking.length) tiles.trigger("upload");
  }
  const unsent = unchecked.filter(({ sent }) => !sent);
  const room = firstUnchecked ? Number(unsent.length === unchecked.length) : Math.max(0, MAX_PARALLEL_UPLOADS - uploading);
  for (const entry of unsent.slice(0, room)) void send(entry);
  tiles.redraw();
};

// A check has ended or failed.
const endCheck = () => {
  checking = [];
  firstUnchecked = false;
  updateOrder(); // before the price is asked for
  setTimeout(proceed); // after Gradio has applied what this step returns
};

export const uploads = {
  mount(callbacks) {
    tiles = callbacks;
  },
  add(dropped) {
    if (!files.some(isPending)) firstUnchecked = true;
    files.push(...[...dropped].map((file) => ({ file })));
    proceed();
  },
  clear() {
    forget(files);
    proceed();
  },
  sendAgain,
  // Remove a file that has no tile from the server; returns its path if it is in the gallery.
  remove(tile) {
    const entry = files.find((file) => file.tile === tile);
    forget([entry]);
    proceed();
    return entry.path;
  },
  // The number of files that were not accepted, and the reason of the last.
  refused() {
    const refused = files.filter(({ error }) => error);
    return { count: refused.length, reason: refused.at(-1)?.error, canSendAgain: refused.some(({ error }) => error !== TOO_LARGE) };
  },
  // The files without a tile from the server; `shown` are the paths of those that have one.
  waiting(shown) {
    forget(files.filter(({ path }) => shown.has(path)));
    return files;
  },

  // For the `js=` of Gradio's listeners: the gallery's value of the files to check,
  toCheck: () => checking.map(({ image }) => ({ image, caption: null })),
  // the pictures and the refusals with the results of the check (a refusal or null for each file),
  checked(arrived, results, images, refused) {
    const accepted = [...(arrived ?? [])];
    const all = [[...(images ?? [])], [...(refused ?? [])]];
    for (const [number, entry] of checking.entries()) {
      const refusal = results[number];
      const item = refusal ?? accepted.shift();
      if (!files.includes(entry)) continue; // removed meanwhile
      entry.path = refusal ? refusal.path : item.image.path;
      pictures.restore(entry.path);
      all[refusal ? 1 : 0].push(item);
    }
    endCheck();
    return pictures.withoutRemoved(...all);
  },
  // and the check's failure.
  failed() {
    for (const entry of checking) entry.error = UNCHECKED;
    endCheck();
  },
};
