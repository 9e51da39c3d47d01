// A question in a dialog: what it is about, rows, and what one can answer. Resolves with the answer that was pressed.
import { $, escaped } from "./page.js";

export const ask = ({ title, text = "", rows = [], acts }) =>
  new Promise((resolve) => {
    const box = $("#question");
    const list = rows.map(([name, value, warns]) => `<li><span class="t">${escaped(name)}</span><span class="${warns ? "warn" : ""}">${escaped(value)}</span></li>`);
    const buttons = acts.map((act, number) => `<button type="button" class="btn ${act.kind}" data-act="${number}">${escaped(act.words)}</button>`);
    box.innerHTML = `<h2 id="question-title">${escaped(title)}</h2>${list.length ? `<ul class="num">${list.join("")}</ul>` : ""}
      ${text ? `<p>${escaped(text)}</p>` : ""}<div class="acts">${buttons.join("")}</div>`;
    const end = (answer) => {
      box.onclick = box.onclose = null;
      if (box.open) box.close();
      resolve(answer);
    };
    box.onclick = (event) => {
      const pressed = event.target.closest("[data-act]");
      if (pressed) end(acts[Number(pressed.dataset.act)].does ?? null);
      else if (event.target === box) end(null);
    };
    box.onclose = () => end(null);
    box.showModal();
    const first = acts.findIndex((act) => act.first);
    $(`[data-act="${Math.max(0, first)}"]`, box).focus();
  });
