// The library: filters, search, a delete that asks; read anew while it is looked at, without taking anybody's focus.
import { ask } from "./question.js";
import { $, $$, hear, localMoment, press } from "./page.js";

export const mount = ({ element, trigger, watch }) => {
  let deleted = null;
  let filter = "";
  let words = "";

  const passes = (card) => {
    const { state } = card.dataset;
    if (filter === "closed" && !("closed" in card.dataset)) return false;
    if (filter === "bad" && !["failed", "cancelled", "unconfirmed"].includes(state)) return false;
    return words.split(/\s+/).every((word) => card.dataset.words.includes(word));
  };
  const sift = () => {
    let found = 0;
    for (const shelf of $$(".shelf", element)) {
      const cards = $$(".card", shelf);
      for (const card of cards) card.hidden = !passes(card);
      const left = cards.filter((card) => !card.hidden).length;
      shelf.hidden = !left;
      found += left;
    }
    const nothing = $(".nothing-found", element);
    if (nothing) nothing.hidden = found > 0 || !$(".shelf", element);
  };
  const remove = async (shelf) => {
    const { batch, models } = shelf.dataset;
    const when = $("h2", shelf).textContent;
    const what = `${models} model${models === "1" ? "" : "s"}`;
    const day = when.charAt(0).toLowerCase() + when.slice(1);
    const answer = await ask({
      title: `Delete ${what}?`,
      text: `The batch of ${day}, its pictures and its share link go for good. This cannot be undone.`,
      acts: [{ words: "Keep", kind: "line", first: true }, { words: `Delete ${what}`, kind: "danger", does: "delete" }],
    });
    if (answer !== "delete") return;
    deleted = batch;
    trigger("select", { batch });
  };

  element.addEventListener("input", ({ target }) => {
    if (target.type !== "search") return;
    words = target.value.trim().toLowerCase();
    sift();
  });
  element.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-filter]");
    if (chip) {
      filter = chip.dataset.filter;
      press(chip, $$("[data-filter]", element));
      sift();
    }
    const bin = event.target.closest(".shelf-delete");
    if (bin) remove(bin.closest(".shelf"));
  });
  const follow = () => {
    for (const shelf of $$(".shelf", element)) {
      $("h2", shelf).textContent = localMoment(shelf.dataset.moment);
    }
    const count = $(".library", element)?.dataset.count;
    const shown = $("#library-count");
    if (shown) shown.textContent = Number(count) ? count : "";
    const chip = $(`[data-filter="${filter}"]`, element);
    if (chip) press(chip, $$("[data-filter]", element));
    sift();
    // The batch that is open on the page is gone: so is its place.
    if (deleted && new URLSearchParams(location.search).get("batch") === deleted) {
      const url = new URL(location.href);
      url.searchParams.delete("batch");
      location.replace(url);
    }
    deleted = null;
  };
  // A batch that ends adds to what is here.
  let state = null;
  hear("results", (batch) => {
    if (state === "working" && batch.state !== "working") trigger("tick");
    state = batch.state;
  });
  watch("value", follow);
  follow();
  setInterval(() => {
    if (element.checkVisibility() && !document.hidden && !element.contains(document.activeElement)) trigger("tick");
  }, 15000);
};
