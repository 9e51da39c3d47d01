// The generators: a radio for each; a press, or Enter, takes it and closes the panel. Filters hide rows.
import { $$, press } from "./page.js";
import { closePanel, isOpen } from "./panel.js";

export const mount = ({ element, trigger, props }) => {
  element.addEventListener("change", (event) => {
    if (event.target.name !== "generator") return;
    props.value = event.target.value;
    trigger("change");
  });
  const take = (event) => {
    if (isOpen("generators") && event.target.closest(".picker-item:not(.picker-off)")) setTimeout(closePanel);
  };
  element.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.matches("input")) return; // the label's own click comes, too
    if (event.detail > 0) take(event);
  });
  element.addEventListener("keydown", (event) => event.key === "Enter" && take(event));
};

document.addEventListener("click", (event) => {
  const chip = event.target.closest("#generators [data-filter]");
  if (!chip) return;
  press(chip, $$("#generators [data-filter]"));
  for (const item of $$(".picker-item")) item.hidden = Boolean(chip.dataset.filter) && !item.dataset.has.split(" ").includes(chip.dataset.filter);
});
