// The editor of a picture: a box crops it, a brush marks what belongs to the subject. The edited file replaces the picture.
import { $, $$, emit, setPressed } from "./page.js";

const MAX_SIDE = 2048; // pictures are sent no larger
const HINTS = {
  crop: "Draw a box around one thing. Its subject is found again inside.",
  keep: "Paint what belongs to the thing.",
  remove: "Paint what does not belong to it.",
};

const loaded = async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
};
const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

export const mountEditor = () => {
  const dialog = $("#picture-editor");
  const canvas = $("canvas", dialog);
  const brush = $("[type=range]", dialog);
  let picture = null; // data of its tile
  let source = null; // the whole picture, in the size of the canvas
  let mask = null; // opaque where the picture is kept; null until a brush was used
  let box = null; // of the crop: x, y, width, height in the canvas's pixels
  let tool = "crop";
  let lastPoint = null; // while the pointer is down: a corner of the crop, or the last point of the stroke

  const kept = () => {
    const result = canvasOf(canvas.width, canvas.height);
    const paint = result.getContext("2d");
    paint.drawImage(mask ?? source, 0, 0);
    paint.globalCompositeOperation = "source-in";
    paint.drawImage(source, 0, 0);
    return result;
  };
  const draw = () => {
    const paint = canvas.getContext("2d");
    paint.clearRect(0, 0, canvas.width, canvas.height);
    paint.globalAlpha = mask ? 0.25 : 1;
    paint.drawImage(source, 0, 0);
    paint.globalAlpha = 1;
    if (mask) paint.drawImage(kept(), 0, 0);
    if (!box) return;
    paint.fillStyle = "rgb(15 17 19 / 60%)";
    paint.beginPath();
    paint.rect(0, 0, canvas.width, canvas.height);
    paint.rect(...box);
    paint.fill("evenodd");
    paint.strokeStyle = "#fff";
    paint.lineWidth = canvas.width / 300;
    paint.strokeRect(...box);
  };
  const choose = (name) => {
    tool = name;
    setPressed($(`[data-tool=${name}]`, dialog), $$("[data-tool]", dialog));
    $(".brush", dialog).hidden = name === "crop";
    $(".hint", dialog).textContent = HINTS[name];
  };
  const startOver = () => {
    mask = box = null;
    draw();
  };
  // The brush starts with the subject as it was detected.
  const initialMask = async () => {
    const made = canvasOf(canvas.width, canvas.height);
    const paint = made.getContext("2d");
    if (picture.mask) paint.drawImage(await loaded(picture.mask), 0, 0, canvas.width, canvas.height);
    else paint.fillRect(0, 0, canvas.width, canvas.height);
    return made;
  };
  const pointAt = (event) => {
    const bounds = canvas.getBoundingClientRect();
    return [((event.clientX - bounds.left) / bounds.width) * canvas.width, ((event.clientY - bounds.top) / bounds.height) * canvas.height];
  };
  const stroke = (to) => {
    const paint = mask.getContext("2d");
    paint.globalCompositeOperation = tool === "keep" ? "source-over" : "destination-out";
    paint.lineWidth = (brush.valueAsNumber / 100) * Math.max(canvas.width, canvas.height);
    paint.lineCap = paint.lineJoin = "round";
    paint.beginPath();
    paint.moveTo(...lastPoint);
    paint.lineTo(...to);
    paint.stroke();
    lastPoint = to;
  };

  canvas.addEventListener("pointerdown", async (event) => {
    canvas.setPointerCapture(event.pointerId);
    lastPoint = pointAt(event);
    if (tool === "crop") return;
    mask ??= await initialMask();
    if (lastPoint) stroke(lastPoint);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!lastPoint || (tool !== "crop" && !mask)) return;
    const [x, y] = pointAt(event).map((value, axis) => Math.min(Math.max(0, value), axis ? canvas.height : canvas.width));
    if (tool === "crop") box = [Math.min(lastPoint[0], x), Math.min(lastPoint[1], y), Math.abs(x - lastPoint[0]), Math.abs(y - lastPoint[1])];
    else stroke([x, y]);
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      lastPoint = null;
      if (box && Math.min(box[2], box[3]) < 8) box = null; // a click is no box
      draw();
    });
  }

  // After a brush a PNG with a transparent background; else a JPEG, whose subject is detected again.
  const result = async () => {
    const [x, y, width, height] = (box ?? [0, 0, canvas.width, canvas.height]).map(Math.round);
    const part = canvasOf(width, height);
    part.getContext("2d").drawImage(mask ? kept() : source, -x, -y);
    const type = mask ? "image/png" : "image/jpeg";
    const blob = await new Promise((done) => part.toBlob(done, type, 0.95));
    return new File([blob], `${picture.name.replace(/\.\w+$/, "")}.${mask ? "png" : "jpg"}`, { type });
  };
  dialog.addEventListener("click", async ({ target }) => {
    const chosen = target.closest("[data-tool]");
    if (chosen) choose(chosen.dataset.tool);
    if (target.closest("[data-undo]")) startOver();
    if (target.closest("[data-cancel]")) dialog.close();
    if (target.closest("[data-done]")) {
      if (mask || box) emit("replace-picture", { path: picture.path, file: await result() });
      dialog.close();
    }
  });

  return async (chosen) => {
    picture = chosen;
    const image = await loaded(picture.url);
    const scale = Math.min(1, MAX_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    source = canvasOf(canvas.width, canvas.height);
    source.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    choose("crop");
    startOver();
    dialog.showModal();
  };
};
