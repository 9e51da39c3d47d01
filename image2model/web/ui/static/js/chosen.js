// The chosen picture beside what will be sent of it, and what was found.
import { $, escaped, icon, isNarrow, listen, OUTLINES, stage } from "./page.js";
import { openPanel } from "./panel.js";
import { mountEditor } from "./picture_editor.js";

export const mount = ({ element }) => {
  let last = null;
  const edit = mountEditor();
  const draw = () => {
    if (!last) return;
    const cut = $("#sent-choice input")?.checked && last.cutout;
    const whole = last.path ? `gradio_api/file=${encodeURIComponent(last.path)}` : last.url;
    const picture = $("#picture-whole", element);
    if (picture.getAttribute("src") !== whole) picture.src = whole;
    picture.alt = `The picture ${last.name}`;
    const sent = cut ? last.cutout : whole;
    const shown = $("#picture-sent", element);
    if (shown.getAttribute("src") !== sent) shown.src = sent;
    shown.alt = cut ? `The subject of ${last.name}` : `The picture ${last.name}`;
    $("#sent-shown", element).classList.toggle("cut", Boolean(cut));
    $("#sent-to", element).textContent = last.refused ? "Not sent" : `Sent to ${$(".gen")?.dataset.name ?? "the generator"}`;
    $("#sent-how", element).textContent = last.refused ? "" : cut ? "background removed" : "as it is";
    $("#sent-shown", element).hidden = Boolean(last.refused);
    $("#checks", element).innerHTML = last.checks.map(([level, words]) => `<li class="${level}">${icon(OUTLINES[level])}${escaped(words)}</li>`).join("");
  };
  $("#picture-whole", element).addEventListener("load", ({ target }) => {
    $("#picture-size", element).textContent = `${target.naturalWidth.toLocaleString()} × ${target.naturalHeight.toLocaleString()} px`;
  });
  listen("picture", (picture) => {
    last = { ...picture, path: picture.refused ? "" : picture.show, checks: JSON.parse(picture.checks || "[]") };
    const before = stage.shown;
    stage.show("chosen");
    draw();
    if (isNarrow() && before === "chosen" && picture.pressed) openPanel("picture");
  });
  listen("pictures-shown", ({ count }) => {
    if (count || stage.shown !== "chosen") return;
    stage.show($("#board .board[data-batch]") ? "model" : "hero");
  });
  document.addEventListener("change", ({ target }) => target.matches("#sent-choice input") && draw());
  document.addEventListener("click", ({ target }) => {
    if (target.closest("#edit-picture") && last?.path) edit({ ...last, url: $("#picture-whole", element).src });
  });
  new MutationObserver(draw).observe($("#generator-card") ?? element, { childList: true, subtree: true, attributes: true });
};
