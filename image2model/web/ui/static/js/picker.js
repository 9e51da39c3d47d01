// The generators: a radio for each; a click, or Enter, chooses it and closes the panel. Filters hide rows.
import { $, $$, emit, setPressed } from "./page.js";
import { closePanel, isOpen } from "./panel.js";

export const mount = ({ element, trigger, props, watch }) => {
  const tell = () => emit("generator", { id: props.value });
  element.addEventListener("change", (event) => {
    if (event.target.name !== "generator") return;
    props.value = event.target.value;
    tell();
    trigger("change");
  });
  watch("value", tell);
  tell();
  const closeOnChoice = (event) => {
    if (isOpen("generators") && event.target.closest(".picker-item:not(.picker-off)")) setTimeout(closePanel);
  };
  element.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.matches("input")) return; // the label's click arrives as well
    if (event.detail > 0) closeOnChoice(event);
  });
  element.addEventListener("keydown", (event) => event.key === "Enter" && closeOnChoice(event));
  // The field for a key moves up among the rows once a key is in it.
  const follow = () => document.activeElement.closest("#own-key")?.scrollIntoView({ block: "nearest" });
  new MutationObserver(follow).observe($("#generator-rows"), { childList: true, subtree: true });
};

document.addEventListener("click", (event) => {
  const chip = event.target.closest("#generators [data-filter]");
  if (!chip) return;
  setPressed(chip, $$("#generators [data-filter]"));
  for (const item of $$(".picker-item")) item.hidden = Boolean(chip.dataset.filter) && !item.dataset.has.split(" ").includes(chip.dataset.filter);
});
