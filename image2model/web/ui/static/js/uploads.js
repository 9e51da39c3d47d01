// Files on their way to the server, in the order in which they were dropped. The first goes alone, and the rest once it is
// checked: so it is judged soon. What has arrived is handed over together, whenever the last check has ended.
import { isOffline } from "./net.js";
import { order } from "./order.js";
import { listen } from "./page.js";
import { pictures } from "./pictures.js";

const AT_ONCE = 2; // uploads
const TOO_LARGE = "It is too large.";
const UNREACHABLE = "The server cannot be reached.";
const UNCHECKED = "The server could not check it.";

// {file, sent, image: Gradio's file once it has arrived, path: once it is in the gallery or refused, problem: why it is
// in neither, tile, url: its look}
let files = [];
let handed = []; // those that are being checked
let alone = false; // nothing of this drop has been checked
let uploading = 0;
let given = {}; // by the tiles: `trigger` starts a step of Gradio's, `redraw`

const drop = (gone) => {
  for (const { url } of gone) URL.revokeObjectURL(url);
  files = files.filter((one) => !gone.includes(one));
};

const isUnderway = (one) => !one.path && !one.problem;
const hold = () => order.hold(files.some(isUnderway));

// Gradio's name of the file; throws a sentence where the server does not take it.
const upload = async (file) => {
  if (file.size > (window.gradio_config?.max_file_size ?? Infinity)) throw new Error(TOO_LARGE);
  const form = new FormData();
  form.append("files", file);
  const answer = await fetch("gradio_api/upload", { method: "POST", body: form }).catch(() => null);
  if (!answer) throw new Error(UNREACHABLE);
  if (answer.status === 413) throw new Error(TOO_LARGE);
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.message ?? `The server answered with HTTP ${answer.status}.`);
  return found[0];
};

const send = async (one) => {
  one.sent = true;
  uploading += 1;
  try {
    const { name, size, type } = one.file;
    one.image = { path: await upload(one.file), size, orig_name: name, mime_type: type, meta: { _type: "gradio.FileData" } };
  } catch ({ message }) { // but for a file's size, what refuses one refuses those that wait
    const refused = message === TOO_LARGE ? [] : files.filter((other) => !other.sent);
    for (const other of [one, ...refused]) other.problem = message;
  }
  uploading -= 1;
  proceed();
};

const sendAgain = () => {
  const refused = files.filter(({ problem }) => problem && problem !== TOO_LARGE);
  for (const one of refused) one.problem = one.image = one.sent = undefined;
  proceed();
};
listen("net", () => !isOffline() && files.some(({ problem }) => problem === UNREACHABLE) && sendAgain());

const proceed = () => {
  hold();
  const unchecked = files.filter(isUnderway);
  if (!handed.length) {
    const missing = unchecked.findIndex((one) => !one.image);
    handed = missing < 0 ? unchecked : unchecked.slice(0, missing);
    if (handed.length) given.trigger("upload");
  }
  const waiting = unchecked.filter((one) => !one.sent);
  const room = alone ? Number(waiting.length === unchecked.length) : Math.max(0, AT_ONCE - uploading);
  for (const one of waiting.slice(0, room)) void send(one);
  given.redraw();
};

// A check has ended, in whatever way.
const checked = () => {
  handed = [];
  alone = false;
  hold(); // before the price is asked for
  setTimeout(proceed); // after Gradio has taken what this step returns
};

export const uploads = {
  mount(by) {
    given = by;
  },
  take(dropped) {
    if (!files.some(isUnderway)) alone = true;
    files.push(...[...dropped].map((file) => ({ file })));
    proceed();
  },
  clear() {
    drop(files);
    proceed();
  },
  sendAgain,
  // A file is taken out before the server has a tile of it; returns its path where the gallery knows it.
  remove(tile) {
    const one = files.find((other) => other.tile === tile);
    drop([one]);
    proceed();
    return one.path;
  },
  // Those that the server did not take, and the sentence on the last of them.
  refused() {
    const refused = files.filter(({ problem }) => problem);
    return { count: refused.length, sentence: refused.at(-1)?.problem, canSendAgain: refused.some(({ problem }) => problem !== TOO_LARGE) };
  },
  // Those that have no tile of the server's yet; `shown` are the paths of those that have.
  waiting(shown) {
    drop(files.filter((one) => shown.has(one.path)));
    return files;
  },

  // Steps of Gradio's: the gallery's value of what is to be checked,
  handOver: () => handed.map(({ image }) => ({ image, caption: null })),
  // the pictures and the refusals with what came of it, by file a refusal or null in `results`,
  checked(arrived, results, images, refused) {
    const accepted = [...(arrived ?? [])];
    const all = [[...(images ?? [])], [...(refused ?? [])]];
    for (const [number, one] of handed.entries()) {
      const refusal = results[number];
      const found = refusal ?? accepted.shift();
      if (!files.includes(one)) continue; // it was taken out meanwhile
      one.path = refusal ? refusal.path : found.image.path;
      pictures.restore(one.path);
      all[refusal ? 1 : 0].push(found);
    }
    checked();
    return pictures.keep(...all);
  },
  // and that it failed.
  failed() {
    for (const one of handed) one.problem = UNCHECKED;
    checked();
  },
};
