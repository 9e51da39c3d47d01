// The facts: the others by a click, and whether the model can be printed, requested once per model.
import { $, listen } from "./page.js";

const verdicts = new Map();

export const mount = ({ element, watch }) => {
  let shown = null;
  const check = async () => {
    if (!shown || !$("[data-print-check]", element)) return;
    const address = `batches/${shown.batch}/${shown.number}/print-check`;
    if (!verdicts.has(address)) verdicts.set(address, fetch(address).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null));
    const verdict = await verdicts.get(address);
    const line = $("[data-print-check]", element);
    if (!line) return;
    if (!verdict) {
      verdicts.delete(address);
      line.textContent = "Not checked";
      return;
    }
    line.className = verdict.ready ? "ok" : "warn";
    line.innerHTML = verdict.ready ? '<svg class="i s" viewBox="0 0 24 24" aria-hidden="true"><path d="m5 12.5 4.5 4.5L19 7.5"/></svg>Ready' : "Needs repair";
    line.title = verdict.ready ? "At 100 mm" : verdict.problems.join(" ");
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
