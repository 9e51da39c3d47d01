// The editor of a picture: a box crops it, a brush marks what belongs to the subject, by the pointer or by the arrow keys.
// The edited file replaces the picture.
import { $, $$, emit, setPressed } from "./page.js";

const MAX_SIDE = 2048; // pictures are sent no larger
const HINTS = {
  crop: "Draw a box around one thing. Its subject is found again inside. Arrow keys move the box, with Shift its corner.",
  keep: "Paint what belongs to the thing. Arrow keys move the brush, with Shift they paint.",
  remove: "Paint what does not belong to it. Arrow keys move the brush, with Shift they paint.",
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 0.02; // of the longer side, for each press

const loaded = async (url) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
};
const clamp = (value, least, most) => Math.min(Math.max(least, value), most);
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
  let cursor = null; // where the arrow keys have moved the brush
  let startMask; // promise of `initialMask`

  const kept = () => {
    const result = canvasOf(canvas.width, canvas.height);
    const paint = result.getContext("2d");
    paint.drawImage(mask ?? source, 0, 0);
    paint.globalCompositeOperation = "source-in";
    paint.drawImage(source, 0, 0);
    return result;
  };
  const brushWidth = () => (brush.valueAsNumber / 100) * Math.max(canvas.width, canvas.height);
  const draw = () => {
    const paint = canvas.getContext("2d");
    paint.clearRect(0, 0, canvas.width, canvas.height);
    paint.globalAlpha = mask ? 0.25 : 1;
    paint.drawImage(source, 0, 0);
    paint.globalAlpha = 1;
    if (mask) paint.drawImage(kept(), 0, 0);
    paint.strokeStyle = "#fff";
    paint.lineWidth = canvas.width / 300;
    if (cursor) {
      paint.beginPath();
      paint.arc(...cursor, brushWidth() / 2, 0, 2 * Math.PI);
      paint.globalCompositeOperation = "difference"; // is seen on every ground
      paint.stroke();
      paint.globalCompositeOperation = "source-over";
    }
    if (!box) return;
    paint.fillStyle = "rgb(15 17 19 / 60%)";
    paint.beginPath();
    paint.rect(0, 0, canvas.width, canvas.height);
    paint.rect(...box);
    paint.fill("evenodd");
    paint.strokeRect(...box);
  };
  const choose = (name) => {
    tool = name;
    setPressed($(`[data-tool=${name}]`, dialog), $$("[data-tool]", dialog));
    $(".brush", dialog).hidden = name === "crop";
    $(".hint", dialog).textContent = HINTS[name];
    cursor = null;
    draw();
  };
  const startOver = () => {
    mask = box = cursor = null;
    startMask = initialMask();
    draw();
  };
  // The brush starts with the subject as it was detected.
  const initialMask = async () => {
    const made = canvasOf(canvas.width, canvas.height);
    const paint = made.getContext("2d");
    const found = picture.mask && (await loaded(picture.mask).catch(() => null));
    if (found) paint.drawImage(found, 0, 0, canvas.width, canvas.height);
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
    paint.lineWidth = brushWidth();
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
    cursor = null;
    if (tool === "crop") return;
    mask ??= await startMask;
    if (lastPoint) stroke(lastPoint);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!lastPoint || (tool !== "crop" && !mask)) return;
    const [x, y] = pointAt(event).map((value, axis) => clamp(value, 0, axis ? canvas.height : canvas.width));
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

  const moveBox = (dx, dy, isCorner) => {
    const { width: w, height: h } = canvas;
    const [x, y, width, height] = box ?? [w / 10, h / 10, w * 0.8, h * 0.8];
    box = isCorner
      ? [x, y, clamp(width + dx, w / 20, w - x), clamp(height + dy, h / 20, h - y)]
      : [clamp(x + dx, 0, w - width), clamp(y + dy, 0, h - height), width, height];
  };
  const moveBrush = async (dx, dy, paints) => {
    const start = cursor ?? [canvas.width / 2, canvas.height / 2];
    const end = (cursor = [clamp(start[0] + dx, 0, canvas.width), clamp(start[1] + dy, 0, canvas.height)]);
    if (!paints) return;
    mask ??= await startMask;
    lastPoint = start;
    stroke(end);
    lastPoint = null;
  };
  canvas.addEventListener("keydown", async (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key].map((way) => way * STEP * Math.max(canvas.width, canvas.height));
    if (tool === "crop") moveBox(dx, dy, event.shiftKey);
    else await moveBrush(dx, dy, event.shiftKey);
    draw();
  });

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
    startOver();
    choose("crop");
    dialog.showModal();
  };
};
