// The title of what is on the stage, the link to the batch, and the export button.
import { link } from "./address.js";
import { $, copyText, emit, listen } from "./page.js";
import { closePanel, isOpen, openPanel } from "./panel.js";

export const mount = ({ element }) => {
  const setTitle = (title, line) => {
    $("#stage-title", element).textContent = title;
    $("#stage-line", element).textContent = line;
  };
  listen("result", ({ title, name, madeBy }) => setTitle(title, `From ${name} by ${madeBy}`));
  listen("picture", ({ name, refused }) => setTitle(name, refused ? "Left out" : "What the generator will see"));
  listen("result-pending", ({ title, ended }) => setTitle(title, ended ? "Not made" : "The first model opens here when it is done"));
  listen("results", ({ done }) => { $("#export-open", element).disabled = !Number(done); });
  $("#picture-before", element).addEventListener("click", () => emit("step-picture", { by: -1 }));
  $("#picture-after", element).addEventListener("click", () => emit("step-picture", { by: 1 }));
  $("#share", element).addEventListener("click", () => {
    copyText(link($("#board .board").dataset.batch), $("#share span", element), "Link copied");
  });
};

document.addEventListener("click", (event) => {
  if (!event.target.closest("#export-open, [data-export]")) return;
  if (isOpen("export")) closePanel();
  else openPanel("export", "[data-which=one]");
});
