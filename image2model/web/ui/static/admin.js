// The numbers are read anew while somebody looks at them; nobody's focus is taken away by it.
const beat = setInterval(() => {
  if (!element.isConnected) clearInterval(beat);
  else if (element.offsetParent && !document.hidden && !element.contains(document.activeElement)) trigger("tick");
}, 15000);
element.addEventListener("click", event => {
  const button = event.target.closest(".admin-reset");
  if (!button) return;
  button.disabled = true;
  button.blur();
  trigger("select", {reset: button.dataset.reset});
});
