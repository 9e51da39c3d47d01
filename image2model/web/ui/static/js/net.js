// Offline is a bar, and what needs the server is off until it goes. The server counts as away when the browser says so,
// or when a batch that is worked gets no news and the server does not answer.
import { $, hear, tell } from "./page.js";

let offline = false;
const say = (now) => {
  const bar = $(".netbar");
  if (!bar || now === offline) return;
  offline = now;
  bar.hidden = !now;
  if (now) document.body.dataset.net = "offline";
  else delete document.body.dataset.net;
  tell("net", { offline: now });
};
export const isOffline = () => offline;

const answers = async () => {
  try {
    return (await fetch("alive", { cache: "no-store", signal: AbortSignal.timeout(4000) })).ok;
  } catch {
    return false;
  }
};

addEventListener("offline", () => say(true));
addEventListener("online", async () => {
  if (await answers()) say(false);
});

// A batch that is worked gets news every second. Silence means that the connection or the server is gone: say so, ask
// until it answers, and come back to the same batch.
const BEAT = 2000;
let quiet = 0; // beats without news
let last = Date.now();
hear("results", () => {
  quiet = 0;
  if (navigator.onLine) say(false);
});
setInterval(async () => {
  const late = Date.now() - last > 2 * BEAT; // the page itself stood still, so that it could hear nothing
  last = Date.now();
  quiet = late || $("#board .board")?.dataset.state !== "working" ? 0 : quiet + 1;
  const silent = quiet > 3;
  if (!silent && !offline) return;
  const there = await answers();
  if (!there) say(true);
  else if (silent) location.reload();
  else say(false);
}, BEAT);
