// The export: this model or all, by a preset; the print check is made when the preset opens and when its size or the
// repair changes, of what will really be saved.
import { $, $$, escaped, icon, listen, OUTLINES, setPressed } from "./page.js";
import { isOffline } from "./net.js";
import { swatches } from "./printer_colours.js";

const PRESETS = {
  print: (fields) => ({
    format: fields["print-format"], size: fields["print-size"], unit: "mm", measure: "height",
    colors: fields["print-format"] === "3mf" ? fields["print-colors"] : "",
  }),
  game: (fields) => ({ format: "glb", face_limit: fields["game-faces"], packing: fields["game-packing"] }),
  blender: () => ({ format: "glb" }),
  iphone: (fields) => ({ format: "usdz", size: fields["iphone-size"], unit: "cm", measure: "height" }),
  more: (fields) => Object.fromEntries(["format", "size", "unit", "measure", "up", "face_limit", "packing", "repair"].map((name) => [name, fields[name]])),
};
const LAST = "image2model-export";
const lastPreset = () => {
  try {
    return localStorage.getItem(LAST);
  } catch {
    return null;
  }
};
const savePreset = (preset) => {
  try {
    localStorage.setItem(LAST, preset);
  } catch {} // a browser that keeps nothing
};

// The parameters of these names among those that are asked.
const only = (asked, names) => new URLSearchParams([...asked].filter(([name]) => names.includes(name)));

export const mount = ({ element }) => {
  const form = $("form", element);
  const box = $(".check", form);
  const repair = $("[data-repair]", form);
  let preset = PRESETS[lastPreset()] ? lastPreset() : "print";
  let shown = null; // the model on the stage
  let batch = { done: 0, zip: "" };
  let all = false;
  let repaired = false;
  let repairSetByUser = false; // whether a person has set the repair
  let checks = 0;

  const fields = () => Object.fromEntries(new FormData(form));
  const query = () => {
    const wanted = PRESETS[preset](fields());
    if (preset === "print" && repaired) wanted.repair = "solid";
    if (wanted.format !== "glb") delete wanted.packing;
    if (!wanted.size) for (const name of ["unit", "measure"]) delete wanted[name];
    return new URLSearchParams(Object.entries(wanted).filter(([, value]) => value && value !== "none"));
  };
  const note = (text) => { $(".take-note", form).textContent = text; };
  const button = () => $(".take-go", form);
  const label = () => {
    const format = (PRESETS[preset](fields()).format ?? "glb").toUpperCase();
    button().textContent = all ? `Export all ${batch.done} as ${format}` : `Export ${format}`;
    button().disabled = isOffline() || !batch.done;
    const which = $("[data-which=all]", form);
    which.textContent = `All ${batch.done}`;
    which.hidden = batch.done < 2;
  };
  const open = (name, focus = false) => {
    preset = name;
    for (const item of $$("[data-preset]", form)) {
      const on = item.dataset.preset === name;
      item.classList.toggle("on", on);
      $("button", item).setAttribute("aria-expanded", String(on));
      $("fieldset", item).disabled = !on;
    }
    note("");
    label();
    if (focus) $(`[data-preset=${name}] fieldset :is(input, select)`, form)?.focus();
    if (name === "print") check();
  };

  // The filaments' colours belong to 3MF; they are shown of the model on the stage.
  const showColours = async () => {
    const place = $(".printer-colours", form);
    place.hidden = fields()["print-format"] !== "3mf";
    const asked = query();
    const list = $(".swatches", place);
    const key = (list.dataset.key = shown && asked.has("colors") && !all ? `${shown.batch}/${shown.number}?${asked}` : "");
    list.replaceChildren();
    if (!key) return;
    const found = await swatches(shown, only(asked, ["colors", "size", "unit", "measure"]));
    if (list.dataset.key === key) list.replaceChildren(...found);
  };

  const showCheck = (level, title, lines = []) => {
    box.hidden = false;
    box.className = `check ${level}`;
    const sign = level === "wait" ? '<span class="spin"></span>' : icon(OUTLINES[level === "" ? "ok" : level]);
    box.innerHTML = `${sign}<b>${escaped(title)}</b>${lines.length ? `<ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join("")}</ul>` : ""}`;
  };
  const fetchPrintCheck = async (number) => {
    const answer = await fetch(`batches/${shown.batch}/${number}/print-check?${only(query(), ["size", "unit", "measure", "repair"])}`);
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.message);
    return found;
  };
  const showResult = (found) => {
    const at = `${found.size_mm.toLocaleString("en")} mm`;
    const after = found.mended;
    if (repaired && after) {
      const done = after.steps ?? [];
      if (after.ready) showCheck("", "Repaired and checked again: ready to print", done.length ? done : ["Nothing had to be mended"]);
      else showCheck("warn", "Repaired and checked again: not ready yet", [...done, ...after.problems]);
    } else if (found.ready) showCheck("", `Ready to print at ${at}`, ["Closed surface", ...found.advice].slice(0, 3));
    else {
      const help = after?.ready ? ["Repair first makes it ready."] : found.advice;
      showCheck("warn", `Not ready to print at ${at}`, [...found.problems, ...help]);
    }
  };
  const check = async () => {
    const run = ++checks;
    if (!shown || preset !== "print") return;
    showColours();
    showCheck("wait", all ? "Checking all of them…" : "Checking…");
    try {
      const numbers = all ? $$("#board .job-card[data-state=done]").map((one) => one.dataset.number) : [shown.number];
      const found = await Promise.all(numbers.map(fetchPrintCheck));
      if (run !== checks) return;
      const ready = found.filter((one) => (repaired && one.mended ? one.mended.ready : one.ready)).length;
      if (!repairSetByUser && !repaired && ready < found.length && found.some((one) => !one.ready && one.mended?.ready)) return setRepair(true);
      if (!all) return showResult(found[0]);
      const bad = found.length - ready;
      if (bad) showCheck("warn", `${ready} ready, ${bad} need${bad === 1 ? "s" : ""} ${repaired ? "more than a repair" : "repair"}`);
      else showCheck("", `All ${ready} ready to print`);
    } catch (error) {
      if (run !== checks) return;
      box.hidden = true;
      note(error instanceof TypeError ? "The server cannot be reached. Try again." : error.message);
    }
  };
  const setRepair = (on) => {
    repaired = on;
    repair.setAttribute("aria-checked", String(on));
    check();
  };

  // As made, a model is its own file, and all of them are the batch's zip, with pictures and a manifest.
  const exportUrl = () => {
    if (preset === "blender") return all ? batch.zip : shown.mesh;
    return `batches/${shown.batch}/${all ? "" : `${shown.number}/`}export?${query()}`;
  };
  // Ask first, so that a reason appears here and not in place of the page; then let the browser save it.
  const save = async () => {
    const address = exportUrl();
    button().disabled = true;
    button().textContent = all ? "Making the files…" : "Making the file…";
    note("");
    try {
      const asked = await fetch(address, { method: "HEAD" });
      if (!asked.ok) throw new Error((await (await fetch(address)).json()).message);
      const link = Object.assign(document.createElement("a"), { href: address, download: preset === "blender" && !all ? shown.filename : "" });
      document.body.append(link);
      link.click();
      link.remove();
      savePreset(preset);
    } catch (error) {
      note(error instanceof TypeError ? "The server cannot be reached. Try again." : error.message);
    } finally {
      label();
    }
  };

  listen("result", (result) => {
    const other = shown?.batch !== result.batch || shown?.number !== result.number;
    shown = result;
    if (!other) return;
    repairSetByUser = false;
    repaired = false;
    repair.setAttribute("aria-checked", "false");
    box.hidden = true;
    note("");
    if (document.body.dataset.panel === "export") check();
  });
  listen("results", ({ done, zip }) => {
    batch = { done: Number(done ?? 0), zip };
    label();
  });
  listen("net", label);
  form.addEventListener("click", (event) => {
    const title = event.target.closest("[data-preset] > button");
    if (title) open(title.parentElement.dataset.preset);
    const which = event.target.closest("[data-which]");
    if (which) {
      all = which.dataset.which === "all";
      setPressed(which, $$("[data-which]", form));
      label();
      check();
    }
    if (event.target.closest("[data-repair]")) {
      repairSetByUser = true;
      setRepair(!repaired);
    }
  });
  form.addEventListener("change", (event) => {
    note("");
    label();
    if (["print-size", "print-format", "print-colors"].includes(event.target.name)) check();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  new MutationObserver(() => {
    if (document.body.dataset.panel === "export" && preset === "print" && box.hidden) check();
  }).observe(document.body, { attributes: true, attributeFilter: ["data-panel"] });
  open(preset);
};
