// Before the first paint: apply the theme chosen in this browser, and mark that a batch is being opened.
(() => {
  const params = new URLSearchParams(location.search);
  try {
    const theme = localStorage.getItem("image2model-theme");
    if (theme && !params.get("__theme")) {
      const url = new URL(location.href);
      url.searchParams.set("__theme", theme);
      history.replaceState(null, "", url);
    }
  } catch {} // a browser without storage
  if (params.get("batch")) document.documentElement.dataset.opening = "yes";
})();
