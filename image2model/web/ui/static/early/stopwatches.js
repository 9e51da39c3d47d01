// Gradio's stopwatches, which this page never shows, do not run: that of its loading screen counts on for ever, sixty times
// a second on an idle page (gradio 6.31, `StatusTracker`: its loop is told to end after it has left the page).
(() => {
  const STOPWATCH = /performance\.now\(\)\s*-[^;]*\/\s*1e3/;
  const requestAnimationFrame = window.requestAnimationFrame.bind(window);

  window.requestAnimationFrame = (callback) => (STOPWATCH.test(callback) ? 0 : requestAnimationFrame(callback));
})();
