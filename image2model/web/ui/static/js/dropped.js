// What is dropped anywhere on the page or pasted: files, the pictures of folders, and a note on what holds neither.
import { $ } from "./page.js";

const NOT_A_FILE = "That is a link or text, not a file. Save the picture first, then drop its file here.";
const NOTHING_COPIED = "No picture was copied. Copy the picture itself, or drop its file here.";
const EMPTY_FOLDER = "No picture is in this folder. Drop pictures, or a folder with some.";
const UNREADABLE = "This folder cannot be read. Drop its pictures instead.";
const NOTE_MS = 10_000;

let hiding = 0;
const tell = (text) => {
  const note = $("#drop-note") ?? Object.assign(document.createElement("p"), { id: "drop-note", className: "note" });
  note.setAttribute("role", "status");
  $("#pictures-in").prepend(note);
  note.textContent = text; // once it is in the page, so that it is read out
  clearTimeout(hiding);
  hiding = setTimeout(() => note.remove(), NOTE_MS);
};

const isPicture = ({ type }) => type.startsWith("image/");
const isNoPicture = ({ name, type }) => name.startsWith(".") || (type && !isPicture({ type })); // HEIC may have no type

const filesOf = async (entry) => {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // of Chromium, 100 at a time
    if (!some.length) return (await Promise.all(entries.map(filesOf))).flat();
    entries.push(...some);
  }
};

// Give the files of a drop to `add`. All of them are asked for at once: a drop holds them only as long as its event lasts.
export const addDropped = async ({ items, files }, add) => {
  const folders = [...items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry?.isDirectory);
  const whole = [...files].filter(({ name }) => !folders.some((folder) => folder.name === name));
  try {
    const inside = (await Promise.all(folders.map(filesOf))).flat().filter((file) => !isNoPicture(file));
    if (whole.length || inside.length) add([...whole, ...inside]);
    else tell(folders.length ? EMPTY_FOLDER : NOT_A_FILE);
  } catch {
    tell(UNREADABLE);
  }
};

// Give the pictures of a paste to `add`; text is for the field that has the focus.
export const addPasted = ({ files }, add, isInField) => {
  const pictures = [...files].filter(isPicture);
  if (pictures.length) add(pictures);
  else if (!isInField) tell(NOTHING_COPIED);
};
