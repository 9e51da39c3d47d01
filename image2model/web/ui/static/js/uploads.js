// Files on their way to the server, in the order in which they were dropped. The first goes alone, and the rest once it is
// checked: so it is judged soon. What has arrived is handed over together, whenever the last check has ended.
import { order } from "./order.js";
import { pictures } from "./pictures.js";

const AT_ONCE = 2; // uploads
const TOO_LARGE = /exceed the maximum/; // Gradio's words for a file that it does not send

// {file, sent, image: Gradio's file once it has arrived, path: once it is in the gallery or refused, tile, url: its look}
let files = [];
let handed = []; // those that are being checked
let alone = false; // nothing of this drop has been checked
let uploading = 0;
let given = {}; // by the tiles: `upload` sends a file, `trigger` starts a step of Gradio's, `redraw`

const drop = (gone) => {
  for (const { url } of gone) URL.revokeObjectURL(url);
  files = files.filter((one) => !gone.includes(one));
};

const hold = () => order.hold(files.some((one) => !one.path));

const send = async (one) => {
  one.sent = true;
  uploading += 1;
  try {
    const { path, url } = await given.upload(one.file);
    const { name, size, type } = one.file;
    one.image = { path, url, size, orig_name: name, mime_type: type, meta: { _type: "gradio.FileData" } };
  } catch (error) {
    // Gradio has told why; what refuses one refuses the others, but for a file's size
    drop(TOO_LARGE.test(error.message) ? [one] : files.filter((other) => !other.image));
  }
  uploading -= 1;
  proceed();
};

const proceed = () => {
  hold();
  const unchecked = files.filter((one) => !one.path);
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
    if (!files.some((one) => !one.path)) alone = true;
    files.push(...[...dropped].map((file) => ({ file })));
    proceed();
  },
  clear() {
    drop(files);
    proceed();
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
      if (!files.includes(one)) continue; // all was removed meanwhile
      one.path = refusal ? refusal.path : found.image.path;
      pictures.restore(one.path);
      all[refusal ? 1 : 0].push(found);
    }
    checked();
    return pictures.keep(...all);
  },
  // and that it failed, of which Gradio has told.
  failed() {
    drop(handed);
    checked();
  },
};
