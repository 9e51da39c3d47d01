// A section is refreshed while it is visible, unless the focus is in it. A click on a button sends its data attributes,
// after a confirmation where it has `data-confirm`.
export const mount = ({ element, trigger }) => {
  const timer = setInterval(() => {
    if (!element.isConnected) clearInterval(timer);
    else if (element.offsetParent && !document.hidden && !element.contains(document.activeElement))
      trigger("tick", { dataset: { ...element.querySelector("[data-current]")?.dataset } });
  }, 15000);
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (!button || (button.dataset.confirm && !confirm(button.dataset.confirm))) return;
    button.blur();
    trigger("select", { dataset: { ...button.dataset } });
  });
};
