// Make the buttons of a gr.Radio one group, in which arrow keys move and which is one stop for Tab: gradio 6.31 gives
// each button its own name, and a new name with each choice.
document.addEventListener("keydown", ({ target }) => {
  const group = target.matches("input[type=radio]") && target.closest("fieldset");
  for (const button of group ? group.querySelectorAll("input") : []) button.name = group.id;
}, true);
