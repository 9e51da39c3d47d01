// Pictures dropped anywhere on the page are taken: Gradio's gallery takes them only while it is empty,
// and a browser would leave the page to show the file.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  const input = document.querySelector("#images input[type=file]");
  if (event.defaultPrevented || !input || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
