// An example is added by a press.
import { order } from "./order.js";
import { pictures } from "./pictures.js";

export const mount = ({ element, trigger }) => {
  element.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-example]");
    if (!pressed) return;
    pictures.pressed.push(Number(pressed.dataset.example));
    order.changed();
    trigger("select");
  });
};
