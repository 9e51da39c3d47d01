// Before anything is drawn: the theme that was chosen here, and whether a batch is about to be opened.
(() => {
  const asked = new URLSearchParams(location.search);
  try {
    const theme = localStorage.getItem("image2model-theme");
    if (theme && !asked.get("__theme")) {
      const url = new URL(location.href);
      url.searchParams.set("__theme", theme);
      history.replaceState(null, "", url);
    }
  } catch {} // a browser that keeps nothing
  if (asked.get("batch")) document.documentElement.dataset.opening = "yes";
})();
