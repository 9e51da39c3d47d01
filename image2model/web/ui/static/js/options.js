// The options: fields of all generators, of which the chosen one's are shown. The component's value holds those that
// differ from their defaults, by the fields' names.
import { $, $$, listen } from "./page.js";

const read = (field) => (field.type === "checkbox" ? field.checked : field.value.trim());
const defaultOf = (field) =>
  field.type === "checkbox" ? field.defaultChecked
  : field.options ? (([...field.options].find((option) => option.defaultSelected) ?? field.options[0]).value)
  : field.defaultValue;
const tellNumber = (field) => {
  const shown = $("output", field.closest("label"));
  if (shown) shown.value = field.value;
};
const write = (field, value) => {
  if (field.type === "checkbox") field.checked = value;
  else field.value = value;
  tellNumber(field);
};

export const mount = ({ element, trigger, props, watch }) => {
  const fields = $$("[name]", element);
  const fill = () => {
    for (const field of fields) write(field, props.value?.[field.name] ?? defaultOf(field));
  };
  const show = ({ id }) => {
    for (const set of $$("fieldset", element)) {
      set.hidden = set.dataset.generator !== id;
      if (set.hidden) continue;
      $("#face-limit b", element).textContent = set.dataset.faceLimit;
      $("#face-limit p", element).textContent = set.dataset.faceLimitHelp;
    }
  };
  element.addEventListener("input", ({ target }) => {
    tellNumber(target);
    const changed = fields.filter((field) => read(field) !== defaultOf(field));
    props.value = Object.fromEntries(changed.map((field) => [field.name, read(field)]));
    trigger("change");
  });
  element.addEventListener("submit", (event) => event.preventDefault()); // Enter in a field
  watch("value", fill);
  fill();
  listen("generator", show);
  show({ id: $("#generator input:checked")?.value });
};
