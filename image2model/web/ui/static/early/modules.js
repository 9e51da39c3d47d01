// The page's modules, for the `js=` of Gradio's event listeners: a promise, as Gradio runs its first events as soon as it
// has mounted its components, and the modules may arrive later.
window.image2model = (() => {
  let provide;
  const modules = new Promise((resolve) => { provide = resolve; });
  return Object.assign(modules, { provide });
})();
