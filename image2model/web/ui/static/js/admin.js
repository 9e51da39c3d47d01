// A section is read anew while somebody looks at it, and nobody's focus is taken away by it. A button tells what its
// data attributes say, after asking where it has a `data-ask`.
export const mount = ({ element, trigger }) => {
  const beat = setInterval(() => {
    if (!element.isConnected) clearInterval(beat);
    else if (element.offsetParent && !document.hidden && !element.contains(document.activeElement))
      trigger("tick", { wanted: { ...element.querySelector("[data-shown]")?.dataset } });
  }, 15000);
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (!button || (button.dataset.ask && !confirm(button.dataset.ask))) return;
    button.blur();
    trigger("select", { wanted: { ...button.dataset } });
  });
};
