// What stands beside the mesh is fetched when it is first looked at: a turntable is made only then.
const show = () => {
  const mode = document.getElementById("result")?.dataset.beside || "nothing";
  const figure = element.querySelector(`figure[data-beside=${mode}]`);
  const image = figure?.querySelector("img:not([src])");
  if (!image) return;
  const words = figure.querySelector("[data-words]");
  image.addEventListener("load", () => { words.textContent = words.dataset.words; });
  image.addEventListener("error", () => { words.textContent = "This could not be drawn."; });
  image.src = image.dataset.src;
};
document.addEventListener("beside", show);
watch("value", show);
