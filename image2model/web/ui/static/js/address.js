// The batch that is shown is part of the page's address.
import { emit } from "./page.js";

export const show = (batch) => {
  const url = new URL(location.href);
  if ((url.searchParams.get("batch") ?? "") === (batch ?? "")) return;
  batch ? url.searchParams.set("batch", batch) : url.searchParams.delete("batch");
  url.searchParams.delete("model");
  history.pushState(null, "", url);
  emit("address", { batch });
};

export const link = (batch) => {
  const url = new URL(location.href);
  url.search = `?batch=${batch}`;
  url.hash = "";
  return url.href;
};
