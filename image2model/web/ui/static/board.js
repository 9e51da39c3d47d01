// The board: a click on a finished card opens it, the first result opens by itself,
// news of a finished batch is asked for, and a lost connection is said and mended.
let selected = null;
let batch = null;

const mark = () => {
  for (const card of element.querySelectorAll(".job-card")) {
    card.classList.toggle("selected", Number(card.dataset.number) === selected);
  }
};

const open = (card) => {
  selected = Number(card.dataset.number);
  mark();
  trigger("select", { number: selected });
};

// What the one button of a card that needs help does, by its kind.
const act = {
  again: (number) => trigger("input", { number }),
  key: () => {
    const place = document.getElementById("own-key");
    if (!place.querySelector("input")?.checkVisibility()) place.querySelector("button")?.click();
    place.scrollIntoView({ behavior: "smooth", block: "center" });
    setTimeout(() => place.querySelector("input")?.focus(), 300);
  },
  model: (number) => {
    trigger("edit", { number });
    document.getElementById("generator").scrollIntoView({ behavior: "smooth", block: "center" });
  },
};

element.addEventListener("click", (event) => {
  const card = event.target.closest(".job-card[data-state=done]");
  if (card && !event.target.closest("a")) {
    open(card);
    document.getElementById("viewer")?.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }
  const button = event.target.closest("button.job-act");
  if (button) act[button.dataset.kind](Number(button.closest(".job-card").dataset.number));
});
element.addEventListener("keydown", (event) => {
  const card = event.target.closest?.(".job-card[data-state=done]");
  if (card === event.target && card && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    open(card);
  }
});

let news = Date.now();
const board = () => element.querySelector(".board");

watch("value", () => {
  news = Date.now();
  if (board()?.dataset.batch !== batch) {
    batch = board()?.dataset.batch;
    selected = null;
  }
  const first = element.querySelector(".job-card[data-state=done]");
  if (selected === null && first) open(first);
  mark();
  document.dispatchEvent(new Event("board")); // for what says how many there are
});

// To save the zip is not to leave the page: without `download` the browser says to the page that it goes, and Gradio
// hangs up (`beforeunload` in gradio 6.31) while the page stays.
document.addEventListener("click", (event) => event.target.closest("a#download-all")?.setAttribute("download", ""), true);

// A finished batch may be worked again, or deleted, from another page: while it is looked at, ask four times a minute,
// and as soon as somebody comes back to it.
const ask = () => {
  const ended = board()?.dataset.batch && board().dataset.state !== "working";
  if (ended && element.checkVisibility() && !document.hidden) trigger("tick");
};
setInterval(ask, 15000);
document.addEventListener("visibilitychange", ask);

// A working board gets news every second. Silence means that the connection or the server is gone:
// say so, ask until it answers, and come back to the same board.
setInterval(async () => {
  if (board()?.dataset.state !== "working" || Date.now() - news < 6000) return;
  element.querySelector(".lost")?.removeAttribute("hidden");
  try {
    const answer = await fetch("alive", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (answer.ok) location.reload();
  } catch {
    // still away
  }
}, 2000);
