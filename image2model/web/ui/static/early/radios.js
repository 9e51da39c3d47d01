// Arrow keys move the choice of a gr.Radio, one stop for Tab: gradio 6.31 gives each of its buttons a name of its own,
// and another one with each choice, so that it is a group of one.
document.addEventListener("keydown", ({ target }) => {
  const group = target.matches("input[type=radio]") && target.closest("fieldset");
  for (const one of group ? group.querySelectorAll("input") : []) one.name = group.id;
}, true);
