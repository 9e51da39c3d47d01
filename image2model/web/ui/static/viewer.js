// The bar above the viewer: the look is the server's affair, background and what stands beside are the browser's.
const result = () => document.getElementById("result");
const press = (button, group) => {
  for (const other of element.querySelectorAll(`[data-${group}]`)) {
    other.setAttribute("aria-pressed", String(other === button));
  }
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { look, ground, beside } = button.dataset;
  if (look) {
    press(button, "look");
    trigger("select", { look });
  } else if (ground) {
    press(button, "ground");
    result().dataset.ground = ground;
  } else {
    const off = button.getAttribute("aria-pressed") === "true";
    press(off ? null : button, "beside");
    result().dataset.beside = off ? "" : beside;
    document.dispatchEvent(new CustomEvent("beside"));
  }
});
