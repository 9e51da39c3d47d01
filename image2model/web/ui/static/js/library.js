// The library: filters, search, deletion with a confirmation; refreshed while it is visible, unless the focus is in it.
import { ask } from "./dialog.js";
import { $, $$, listen, localMoment, setPressed } from "./page.js";

export const mount = ({ element, trigger, watch }) => {
  let deleted = null;
  let filter = "";
  let query = "";

  const passes = (card) => {
    const { state } = card.dataset;
    if (filter === "closed" && !("closed" in card.dataset)) return false;
    if (filter === "bad" && !["failed", "cancelled", "unconfirmed"].includes(state)) return false;
    return query.split(/\s+/).every((word) => card.dataset.words.includes(word));
  };
  const applyFilter = () => {
    let shown = 0;
    for (const section of $$(".shelf", element)) {
      const cards = $$(".card", section);
      for (const card of cards) card.hidden = !passes(card);
      const visible = cards.filter((card) => !card.hidden).length;
      section.hidden = !visible;
      shown += visible;
    }
    const nothing = $(".nothing-found", element);
    if (nothing) nothing.hidden = shown > 0 || !$(".shelf", element);
  };
  const deleteBatch = async (section) => {
    const { batch, models } = section.dataset;
    const when = $("h2", section).textContent;
    const what = `${models} model${models === "1" ? "" : "s"}`;
    const day = when.charAt(0).toLowerCase() + when.slice(1);
    const answer = await ask({
      title: `Delete ${what}?`,
      text: `The batch of ${day}, its pictures and its share link go for good. This cannot be undone.`,
      buttons: [{ label: "Keep", kind: "line", first: true }, { label: `Delete ${what}`, kind: "danger", value: "delete" }],
    });
    if (answer !== "delete") return;
    deleted = batch;
    trigger("select", { batch });
  };

  element.addEventListener("input", ({ target }) => {
    if (target.type !== "search") return;
    query = target.value.trim().toLowerCase();
    applyFilter();
  });
  element.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-filter]");
    if (chip) {
      filter = chip.dataset.filter;
      setPressed(chip, $$("[data-filter]", element));
      applyFilter();
    }
    const deleteButton = event.target.closest(".shelf-delete");
    if (deleteButton) deleteBatch(deleteButton.closest(".shelf"));
  });
  const update = () => {
    for (const section of $$(".shelf", element)) {
      $("h2", section).textContent = localMoment(section.dataset.moment);
    }
    const count = $(".library", element)?.dataset.count;
    const counter = $("#library-count");
    if (counter) counter.textContent = Number(count) ? count : "";
    const chip = $(`[data-filter="${filter}"]`, element);
    if (chip) setPressed(chip, $$("[data-filter]", element));
    applyFilter();
    // The batch that is open on the page is gone: leave its address.
    if (deleted && new URLSearchParams(location.search).get("batch") === deleted) {
      const url = new URL(location.href);
      url.searchParams.delete("batch");
      location.replace(url);
    }
    deleted = null;
  };
  // A batch that ends adds its models to the library.
  let state = null;
  listen("results", (batch) => {
    if (state === "working" && batch.state !== "working") trigger("tick");
    state = batch.state;
  });
  watch("value", update);
  update();
  setInterval(() => {
    if (element.checkVisibility() && !document.hidden && !element.contains(document.activeElement)) trigger("tick");
  }, 15000);
};
