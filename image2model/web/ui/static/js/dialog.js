// A modal dialog with a title, rows and buttons. Resolves with the value of the button that was clicked.
import { $, escaped } from "./page.js";

export const ask = ({ title, text = "", rows = [], buttons }) =>
  new Promise((resolve) => {
    const box = $("#question");
    const list = rows.map(([name, value, warns]) => `<li><span class="t">${escaped(name)}</span><span class="num${warns ? " warn" : ""}">${escaped(value)}</span></li>`);
    const html = buttons.map((button, number) => `<button type="button" class="btn ${button.kind}" data-act="${number}">${escaped(button.label)}</button>`);
    box.innerHTML = `<h2 id="question-title">${escaped(title)}</h2>${list.length ? `<ul>${list.join("")}</ul>` : ""}
      ${text ? `<p>${escaped(text)}</p>` : ""}<div class="acts">${html.join("")}</div>`;
    const end = (answer) => {
      box.onclick = box.onclose = null;
      if (box.open) box.close();
      resolve(answer);
    };
    box.onclick = (event) => {
      const clicked = event.target.closest("[data-act]");
      if (clicked) end(buttons[Number(clicked.dataset.act)].value ?? null);
      else if (event.target === box) end(null);
    };
    box.onclose = () => end(null);
    box.showModal();
    const first = buttons.findIndex((button) => button.first);
    $(`[data-act="${Math.max(0, first)}"]`, box).focus();
  });
