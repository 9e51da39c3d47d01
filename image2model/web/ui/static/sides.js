// Views of one object: ticked in the order front first, joined, turned, taken apart.
let ticked = [];

element.addEventListener("change", (event) => {
  const { target } = event;
  event.stopPropagation();
  if (target.matches("select")) trigger("input", { act: "side", numbers: [Number(target.dataset.number)], side: target.value });
  if (!target.matches("input[type=checkbox]")) return;
  ticked = ticked.filter((number) => number !== Number(target.value));
  if (target.checked) ticked.push(Number(target.value));
  const join = element.querySelector(".side-join");
  join.disabled = ticked.length < 2 || ticked.length > Number(join.dataset.most);
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".side-join")) trigger("input", { act: "join", numbers: ticked });
  if (button?.matches(".side-apart")) trigger("input", { act: "apart", numbers: button.dataset.numbers.split(",").map(Number) });
});
watch("value", () => { ticked = []; });
