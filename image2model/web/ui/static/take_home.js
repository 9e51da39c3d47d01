// Take home: one form asks the server's own addresses for a file, for the whole batch, or whether it can be printed.
const form = () => element.querySelector("form");
const address = (place, names) => {
  const fields = new FormData(form());
  const query = new URLSearchParams();
  for (const name of names) if (fields.get(name)) query.set(name, fields.get(name));
  return `batches/${form().dataset.batch}/${place}?${query}`;
};
const USUAL = { mm: "100", cm: "10", m: "0.1", in: "3.94" }; // what is printed, unless a size is given
const ALL = ["format", "size", "unit", "measure", "up", "face_limit", "repair"];
const note = (text) => {
  element.querySelector(".take-note").textContent = text;
};
const escaped = (text) => Object.assign(document.createElement("i"), { textContent: text }).innerHTML;
const list = (lines, kind) => lines.map((line) => `<li class="${kind}">${escaped(line)}</li>`).join("");

// Ask first, so that a reason appears here and not in place of the page; then let the browser save it.
const download = async (button, url, waiting) => {
  button.disabled = true;
  note(waiting);
  try {
    const asked = await fetch(url, { method: "HEAD" });
    if (!asked.ok) throw new Error((await (await fetch(url)).json()).message);
    const link = Object.assign(document.createElement("a"), { href: url, download: "" });
    document.body.append(link);
    link.click();
    link.remove();
    note("");
  } catch (error) {
    note(error instanceof TypeError ? "The server cannot be reached. Try again." : error.message);
  } finally {
    button.disabled = false;
  }
};

let checks = 0;
const check = async () => {
  const box = element.querySelector(".take-check");
  const chosen = form().format.selectedOptions[0];
  const mine = ++checks;
  box.hidden = chosen.dataset.printed !== "1";
  if (box.hidden) return;
  // The last verdict stays until the next is there: a box that shrinks would pull the buttons from under a click.
  box.classList.add("busy");
  if (!box.textContent) box.innerHTML = "<p>Checking whether it can be printed …</p>";
  const answer = await fetch(address(`${form().dataset.number}/print-check`, ["size", "unit", "measure"])).catch(() => null);
  const found = await answer?.json().catch(() => null);
  if (mine !== checks) return;
  box.classList.remove("busy");
  if (!answer?.ok) {
    box.hidden = true;
    note(found?.message ?? "The check did not come through.");
    return;
  }
  const mends = found.mended?.ready ? ["Mending it makes it ready: choose “close small holes …”."] : [];
  const length = `${found.size_mm.toLocaleString()} mm`;
  const left = (found.mended?.problems ?? []).filter((problem) => !problem.includes("thinn")); // which only size helps
  const skin = left.length ? ["Small repairs are not enough: try “give it a new closed skin”."] : [];
  box.innerHTML = `<p class="${found.ready ? "good" : "bad"}">${found.ready ? "Ready to print" : "Not ready to print yet"}
    ${found.measure === "height" ? `${length} high` : `at ${length}`}</p>
    <ul>${list(found.problems, "bad")}${list([...mends, ...skin, ...found.advice], "hint")}</ul>`;
};

// What the buttons say: the format that is chosen, and how many models the batch has by now.
const follow = () => {
  if (!form()) return;
  const done = document.querySelectorAll("#board .job-card[data-state=done]").length;
  const chosen = form().format.selectedOptions[0];
  const label = chosen.textContent.trim().split(" – ")[0];
  element.querySelector(".take-go span").textContent = `Download ${label}`;
  element.querySelector(".take-all span").textContent = `All ${done} as ${label}`;
  element.querySelector(".take-all").hidden = done < 2;
  form().size.placeholder = chosen.dataset.printed === "1" ? USUAL[form().unit.value] : "as made";
  form().up.options[0].textContent = `${chosen.dataset.up.toUpperCase()}, as usual`;
};

follow(); // the first panel is there before this script
watch("value", follow);
document.addEventListener("board", follow);
element.addEventListener("change", (event) => {
  note("");
  follow();
  if (["format", "size", "unit", "measure"].includes(event.target.name)) check();
});
element.addEventListener("submit", (event) => {
  event.preventDefault();
  download(element.querySelector(".take-go"), address(`${form().dataset.number}/export`, ALL), "Making the file …");
});
element.addEventListener("click", (event) => {
  const button = event.target.closest(".take-all");
  if (button) download(button, address("export", ALL), "Making the files …");
});
