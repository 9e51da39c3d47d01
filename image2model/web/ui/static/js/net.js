// A bar says that the page is offline, and what needs the server is disabled. The page is offline when the browser says
// so, or when a running batch gets no update and the server does not answer.
import { $, emit, listen } from "./page.js";

let offline = false;
const setOffline = (value) => {
  const bar = $(".netbar");
  if (!bar || value === offline) return;
  offline = value;
  bar.hidden = !value;
  if (value) document.body.dataset.net = "offline";
  else delete document.body.dataset.net;
  emit("net", { offline: value });
};
export const isOffline = () => offline;

const isReachable = async () => {
  try {
    return (await fetch("alive", { cache: "no-store", signal: AbortSignal.timeout(4000) })).ok;
  } catch {
    return false;
  }
};

addEventListener("offline", () => setOffline(true));
addEventListener("online", async () => {
  if (await isReachable()) setOffline(false);
});

// A running batch is updated every second. Silence means that the connection or the server is gone: say so, ask
// until it answers, and load the same batch again.
const BEAT = 2000;
let missedBeats = 0; // beats without an update of the batch
let last = Date.now();
listen("results", () => {
  missedBeats = 0;
  if (navigator.onLine) setOffline(false);
});
listen("board-ended", () => { missedBeats = 3; }); // where the batch is not finished, the connection is gone
setInterval(async () => {
  const wasSuspended = Date.now() - last > 2 * BEAT; // the page itself was suspended
  last = Date.now();
  missedBeats = wasSuspended || $("#board .board")?.dataset.state !== "working" ? 0 : missedBeats + 1;
  const silent = missedBeats > 3;
  if (!silent && !offline) return;
  const reachable = await isReachable();
  if (!reachable) setOffline(true);
  else if (silent) location.reload();
  else setOffline(false);
}, BEAT);
