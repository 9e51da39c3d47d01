// The stream of the batch on the page: server-sent events, each the whole board as HTML, until the batch is finished.
// Read by fetch: an EventSource sends no header, and asks again for a stream that has ended.
import { emit } from "./page.js";

const NO_BATCH = '<section class="board" data-state="empty"></section>';
let newest = new AbortController(); // of a page's streams only the newest goes on, so that one batch is shown
let provide;
const board = new Promise((resolve) => { provide = resolve; });

// `show` gets the HTML of each board.
export const showBoards = (show) => provide(show);

const wait = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const htmlOf = (event) => event.split("\n").map((line) => line.replace("data: ", "")).join("\n");

// Reads a stream to its end, or until it is lost; returns whether a board has come.
const read = async (address, options, show) => {
  let begun = false;
  try {
    const response = await fetch(address, options);
    if (!response.ok) return false;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const events = (text + part.value).split("\n\n");
      text = events.pop();
      const boards = events.filter((event) => event.startsWith("data: ")); // the others are comments
      if (!boards.length || options.signal.aborted) continue;
      begun = true;
      show(htmlOf(boards.at(-1)));
    }
  } catch {} // the connection is lost, or another stream has begun
  return begun;
};

// Shows a batch until it is finished; none where there is no id.
export const watch = async (batch, visitor) => {
  newest.abort();
  const { signal } = (newest = new AbortController());
  const show = await board;
  if (!batch) return show(NO_BATCH);
  const options = { headers: { "X-Visitor": visitor }, cache: "no-store", signal };
  for (let pause = 1000; !signal.aborted; pause = Math.min(2 * pause, 30000)) {
    if (await read(`batches/${encodeURIComponent(batch)}/board`, options, show)) {
      if (!signal.aborted) emit("board-ended");
      return;
    }
    await wait(pause);
  }
};
