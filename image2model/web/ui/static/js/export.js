// The export of this model or of all, by a preset. The print check runs when the print preset opens and when its size
// or the repair changes, on exactly what will be saved.
import { $, $$, escaped, fileSize, icon, listen, OUTLINES, setPressed } from "./page.js";
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
const STORAGE_KEY = "image2model-export";
const lastPreset = () => {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
};
const savePreset = (preset) => {
  try {
    localStorage.setItem(STORAGE_KEY, preset);
  } catch {} // a browser without storage
};

// The parameters with these names.
const pickParams = (params, names) => new URLSearchParams([...params].filter(([name]) => names.includes(name)));

export const mount = ({ element }) => {
  const form = $("form", element);
  const box = $(".check", form);
  const repair = $("[data-repair]", form);
  let preset = PRESETS[lastPreset()] ? lastPreset() : "print";
  let shown = null; // the model on the stage
  let batch = { done: 0, zip: "" };
  let all = false;
  let repaired = false;
  let repairSetByUser = false; // whether the visitor has set it
  let checks = 0;
  const madeSizes = new Map(); // bytes by address

  const fields = () => Object.fromEntries(new FormData(form));
  const query = () => {
    const params = PRESETS[preset](fields());
    if (preset === "print" && repaired) params.repair = "solid";
    if (params.format !== "glb") delete params.packing;
    if (!params.size) for (const name of ["unit", "measure"]) delete params[name];
    return new URLSearchParams(Object.entries(params).filter(([, value]) => value && value !== "none"));
  };
  const note = (text) => { $(".take-note", form).textContent = text; };
  const button = () => $(".take-go", form);
  // Where it is known: of what was made before, of the generator's own file, and of a binary STL of all faces.
  const knownSize = () => {
    if (!all && preset === "blender") return shown.bytes;
    const made = madeSizes.get(exportUrl());
    if (made || all) return made;
    const params = query();
    const isWhole = !params.has("repair") && !params.has("face_limit");
    return params.get("format") === "stl" && isWhole && Number(shown.faces) ? 84 + 50 * shown.faces : null;
  };
  const label = () => {
    const format = (PRESETS[preset](fields()).format ?? "glb").toUpperCase();
    const size = shown && knownSize();
    button().textContent = `Export ${all ? `all ${batch.done} as ` : ""}${format}${size ? ` · ${fileSize(size)}` : ""}`;
    $(".take-size", form).hidden = !shown || Boolean(size);
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

  // Filament colours belong to 3MF; those of the model on the stage are shown.
  const showColours = async () => {
    const place = $(".printer-colours", form);
    place.hidden = fields()["print-format"] !== "3mf";
    const params = query();
    const list = $(".swatches", place);
    const key = (list.dataset.key = shown && params.has("colors") && !all ? `${shown.batch}/${shown.number}?${params}` : "");
    list.replaceChildren();
    if (!key) return;
    const items = await swatches(shown, pickParams(params, ["colors", "size", "unit", "measure"]));
    if (list.dataset.key === key) list.replaceChildren(...items);
  };

  const showCheck = (level, title, lines = []) => {
    box.hidden = false;
    box.className = `check ${level}`;
    const sign = level === "wait" ? '<span class="spin"></span>' : icon(OUTLINES[level === "" ? "ok" : level]);
    box.innerHTML = `${sign}<b>${escaped(title)}</b>${lines.length ? `<ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join("")}</ul>` : ""}`;
  };
  const fetchPrintCheck = async (number) => {
    const answer = await fetch(`batches/${shown.batch}/${number}/print-check?${pickParams(query(), ["size", "unit", "measure", "repair"])}`);
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.message);
    return result;
  };
  const showResult = (result) => {
    const size = `${result.size_mm.toLocaleString("en")} mm`;
    const repairedResult = result.mended;
    if (repaired && repairedResult) {
      const steps = repairedResult.steps ?? [];
      if (repairedResult.ready) showCheck("", "Repaired and checked again: ready to print", steps.length ? steps : ["Nothing had to be repaired"]);
      else showCheck("warn", "Repaired and checked again: not ready yet", [...steps, ...repairedResult.problems]);
    } else if (result.ready) showCheck("", `Ready to print at ${size}`, ["Closed surface", ...result.advice].slice(0, 3));
    else {
      const help = repairedResult?.ready ? ["Repair first makes it ready."] : result.advice;
      showCheck("warn", `Not ready to print at ${size}`, [...result.problems, ...help]);
    }
  };
  const check = async () => {
    const run = ++checks;
    if (!shown || preset !== "print") return;
    showColours();
    showCheck("wait", all ? "Checking all of them…" : "Checking…");
    try {
      const numbers = all ? $$("#board .job-card[data-state=done]").map((card) => card.dataset.number) : [shown.number];
      const results = await Promise.all(numbers.map(fetchPrintCheck));
      if (run !== checks) return;
      const ready = results.filter((result) => (repaired && result.mended ? result.mended.ready : result.ready)).length;
      if (!repairSetByUser && !repaired && results.some(({ ready, mended }) => !ready && mended?.ready)) return setRepair(true);
      if (!all) return showResult(results[0]);
      const unready = results.length - ready;
      if (unready) showCheck("warn", `${ready || "None"} ready, ${unready} need${unready === 1 ? "s" : ""} ${repaired ? "more than a repair" : "repair"}`);
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
    label();
    check();
  };

  // Unconverted, a model is its own file, and all of them are the batch's zip, with pictures and a manifest.
  const exportUrl = () => {
    if (preset === "blender") return all ? batch.zip : shown.mesh;
    return `batches/${shown.batch}/${all ? "" : `${shown.number}/`}export?${query()}`;
  };
  // Send HEAD first, so that an error appears here and not in place of the page; then let the browser save the file.
  const save = async () => {
    const address = exportUrl();
    button().disabled = true;
    button().textContent = all ? "Making the files…" : "Making the file…";
    note("");
    try {
      const answer = await fetch(address, { method: "HEAD" });
      if (!answer.ok) throw new Error((await (await fetch(address)).json()).message);
      madeSizes.set(address, Number(answer.headers.get("Content-Length")));
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
    const changed = shown?.batch !== result.batch || shown?.number !== result.number;
    shown = result;
    if (!changed) return;
    repairSetByUser = false;
    repaired = false;
    repair.setAttribute("aria-checked", "false");
    box.hidden = true;
    note("");
    label();
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
