// A click adds an example picture.
import { order } from "./order.js";
import { pictures } from "./pictures.js";

export const mount = ({ element, trigger }) => {
  element.addEventListener("click", (event) => {
    const example = event.target.closest("[data-example]");
    if (!example) return;
    pictures.clickedExamples.push(Number(example.dataset.example));
    order.changed();
    trigger("select");
  });
};
