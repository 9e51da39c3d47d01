// The address names the tab that is open, so that a reload, or signing in at Hugging Face, comes back to it. It stands
// before the batch: of several fields, Gradio's sign-in brings back the first alone.
const TABS = ["create", "library", "api", "admin"];
document.addEventListener("click", (event) => {
  const tab = event.target.closest("#tabs [role=tab]")?.dataset.tabId;
  if (!TABS.includes(tab)) return;
  const url = new URL(location.href);
  url.searchParams.delete("tab");
  url.search = new URLSearchParams([...(tab === "create" ? [] : [["tab", tab]]), ...url.searchParams]);
  history.replaceState(null, "", url);
});
window.openTab = () => {
  const tab = new URLSearchParams(location.search).get("tab");
  if (TABS.includes(tab)) document.querySelector(`#tabs [role=tab][data-tab-id=${tab}]`)?.click();
};
