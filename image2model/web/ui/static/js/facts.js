// The facts: the rest by a press, and whether the model can be printed, asked once for each.
import { $, listen } from "./page.js";

const verdicts = new Map();

export const mount = ({ element, watch }) => {
  let shown = null;
  const check = async () => {
    const place = $("[data-print-check]", element);
    if (!place || !shown) return;
    const address = `batches/${shown.batch}/${shown.number}/print-check`;
    if (!verdicts.has(address)) verdicts.set(address, fetch(address).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null));
    const found = await verdicts.get(address);
    const now = $("[data-print-check]", element);
    if (!now) return;
    if (!found) {
      verdicts.delete(address);
      now.textContent = "Not checked";
      return;
    }
    now.className = found.ready ? "ok" : "warn";
    now.innerHTML = found.ready ? '<svg class="i s" viewBox="0 0 24 24" aria-hidden="true"><path d="m5 12.5 4.5 4.5L19 7.5"/></svg>Ready' : "Needs repair";
    now.title = found.ready ? "At 100 mm" : found.problems.join(" ");
  };
  listen("result", (result) => { shown = result; });
  watch("value", check);
  element.addEventListener("click", (event) => {
    const more = event.target.closest("#more-facts");
    if (!more) return;
    const all = $(".all-facts", element);
    all.hidden = !all.hidden;
    more.setAttribute("aria-expanded", String(!all.hidden));
    more.textContent = all.hidden ? "More facts" : "Fewer";
  });
};
