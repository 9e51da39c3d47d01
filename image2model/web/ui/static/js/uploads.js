// Files on their way to the server, in the order in which they were dropped. The first is sent alone, and the others once
// it is checked, so that its result is there soon. What has arrived is checked together, as soon as the last check ends.
import { order } from "./order.js";
import { pictures } from "./pictures.js";

const MAX_PARALLEL_UPLOADS = 2;
const TOO_LARGE = /exceed the maximum/; // Gradio's message about a file that it does not send

// {file, sent, image: Gradio's file once it has arrived, path: once it is in the gallery or refused, tile, url: preview}
let files = [];
let checking = []; // the files that are being checked
let firstUnchecked = false; // no file of this drop has been checked
let uploading = 0;
let tiles = {}; // `upload` sends a file, `trigger` fires an event of Gradio's, `redraw`

const forget = (done) => {
  for (const { url } of done) URL.revokeObjectURL(url);
  files = files.filter((file) => !done.includes(file));
};

const updateOrder = () => order.setUploading(files.some(({ path }) => !path));

const send = async (entry) => {
  entry.sent = true;
  uploading += 1;
  try {
    const { path, url } = await tiles.upload(entry.file);
    const { name, size, type } = entry.file;
    entry.image = { path, url, size, orig_name: name, mime_type: type, meta: { _type: "gradio.FileData" } };
  } catch (error) {
    // Gradio has shown why; the same reason refuses the others, except a file's size
    forget(TOO_LARGE.test(error.message) ? [entry] : files.filter(({ image }) => !image));
  }
  uploading -= 1;
  proceed();
};

const proceed = () => {
  updateOrder();
  const unchecked = files.filter(({ path }) => !path);
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
    if (files.every(({ path }) => path)) firstUnchecked = true;
    files.push(...[...dropped].map((file) => ({ file })));
    proceed();
  },
  clear() {
    forget(files);
    proceed();
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
      if (!files.includes(entry)) continue; // all was removed meanwhile
      entry.path = refusal ? refusal.path : item.image.path;
      pictures.restore(entry.path);
      all[refusal ? 1 : 0].push(item);
    }
    endCheck();
    return pictures.withoutRemoved(...all);
  },
  // and the check's failure, which Gradio has shown.
  failed() {
    forget(checking);
    endCheck();
  },
};
