// The API page: one language for all its programs, commands with this page's address, and buttons that copy.
import { $, $$, copyText, setPressed } from "./page.js";

export const mount = ({ element }) => {
  const address = location.origin + location.pathname.replace(/\/$/, "");
  for (const place of $$("[data-address]", element)) place.textContent = address;
  element.addEventListener("click", ({ target }) => {
    const chip = target.closest("[data-language]");
    if (chip) {
      setPressed(chip, $$("[data-language]", element));
      for (const program of $$(".program", element)) program.hidden = program.dataset.program !== chip.dataset.language;
    }
    const copy = target.closest("[data-copy]");
    if (copy) copyText($("code", copy.parentElement).textContent, $("span", copy), "Copied");
  });
};
