// The selected picture beside the version that will be sent, and the results of its checks.
import { $, escaped, icon, isNarrow, listen, OUTLINES, stage } from "./page.js";
import { openPanel } from "./panel.js";
import { mountEditor } from "./picture_editor.js";

export const mount = ({ element }) => {
  let picture = null; // the selected one
  const edit = mountEditor();
  const draw = () => {
    if (!picture) return;
    const cut = $("#sent-choice input")?.checked && picture.cutout;
    const whole = picture.path ? `gradio_api/file=${encodeURIComponent(picture.path)}` : picture.url;
    const original = $("#picture-whole", element);
    if (original.getAttribute("src") !== whole) original.src = whole;
    original.alt = `The picture ${picture.name}`;
    const sent = cut ? picture.cutout : whole;
    const preview = $("#picture-sent", element);
    if (preview.getAttribute("src") !== sent) preview.src = sent;
    preview.alt = cut ? `The subject of ${picture.name}` : `The picture ${picture.name}`;
    $("#sent-shown", element).classList.toggle("cut", Boolean(cut));
    $("#sent-to", element).textContent = picture.refused ? "Not sent" : `Sent to ${$(".gen")?.dataset.name ?? "the generator"}`;
    $("#sent-how", element).textContent = picture.refused ? "" : cut ? "background removed" : "as it is";
    $("#sent-shown", element).hidden = Boolean(picture.refused);
    $("#checks", element).innerHTML = picture.checks.map(([level, text]) => `<li class="${level}">${icon(OUTLINES[level])}${escaped(text)}</li>`).join("");
  };
  $("#picture-whole", element).addEventListener("load", ({ target }) => {
    $("#picture-size", element).textContent = `${target.naturalWidth.toLocaleString()} × ${target.naturalHeight.toLocaleString()} px`;
  });
  listen("picture", (selected) => {
    picture = { ...selected, path: selected.refused ? "" : selected.show, checks: JSON.parse(selected.checks || "[]") };
    const previousStage = stage.shown;
    stage.show("chosen");
    draw();
    if (isNarrow() && previousStage === "chosen" && selected.clicked) openPanel("picture");
  });
  listen("pictures-shown", ({ count }) => {
    if (count || stage.shown !== "chosen") return;
    stage.show($("#board .board[data-batch]") ? "model" : "hero");
  });
  document.addEventListener("change", ({ target }) => target.matches("#sent-choice input") && draw());
  document.addEventListener("click", ({ target }) => {
    if (target.closest("#edit-picture") && picture?.path) edit({ ...picture, url: $("#picture-whole", element).src });
  });
  new MutationObserver(draw).observe($("#generator-card"), { childList: true, subtree: true, attributes: true });
};
