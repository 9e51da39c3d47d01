// Correct what is sent of a picture: a box crops it, a brush keeps or removes, by the pointer or by the arrow keys. What
// comes of it takes the picture's place.
import { $, $$, emit, setPressed } from "./page.js";

const MAX_SIDE = 2048; // pictures are sent no larger
const HINTS = {
  crop: "Draw a box around one thing. Its subject is found anew inside. Arrow keys move the box, with Shift its corner.",
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
  let picture = null; // what the tile says of it
  let source = null; // the whole picture, in the size of the canvas
  let mask = null; // opaque where the picture is kept; null until a brush was used
  let box = null; // of the crop: x, y, width, height in the canvas's pixels
  let tool = "crop";
  let from = null; // where the pointer went down, or was last
  let at = null; // where the arrow keys have moved the brush
  let subject; // promise of the mask with which a brush begins

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
    if (at) {
      paint.beginPath();
      paint.arc(...at, brushWidth() / 2, 0, 2 * Math.PI);
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
    at = null;
    draw();
  };
  const startOver = () => {
    mask = box = at = null;
    subject = maskToPaint();
    draw();
  };
  // The brush begins with what was found to be the subject.
  const maskToPaint = async () => {
    const made = canvasOf(canvas.width, canvas.height);
    const paint = made.getContext("2d");
    const found = picture.mask && (await loaded(picture.mask).catch(() => null));
    if (found) paint.drawImage(found, 0, 0, canvas.width, canvas.height);
    else paint.fillRect(0, 0, canvas.width, canvas.height);
    return made;
  };
  const place = (event) => {
    const seen = canvas.getBoundingClientRect();
    return [((event.clientX - seen.left) / seen.width) * canvas.width, ((event.clientY - seen.top) / seen.height) * canvas.height];
  };
  const stroke = (to) => {
    const paint = mask.getContext("2d");
    paint.globalCompositeOperation = tool === "keep" ? "source-over" : "destination-out";
    paint.lineWidth = brushWidth();
    paint.lineCap = paint.lineJoin = "round";
    paint.beginPath();
    paint.moveTo(...from);
    paint.lineTo(...to);
    paint.stroke();
    from = to;
  };

  canvas.addEventListener("pointerdown", async (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = place(event);
    at = null;
    if (tool === "crop") return;
    mask ??= await subject;
    if (from) stroke(from);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || (tool !== "crop" && !mask)) return;
    const [x, y] = place(event).map((value, axis) => clamp(value, 0, axis ? canvas.height : canvas.width));
    if (tool === "crop") box = [Math.min(from[0], x), Math.min(from[1], y), Math.abs(x - from[0]), Math.abs(y - from[1])];
    else stroke([x, y]);
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      from = null;
      if (box && Math.min(box[2], box[3]) < 8) box = null; // a press is no box
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
    const start = at ?? [canvas.width / 2, canvas.height / 2];
    const end = (at = [clamp(start[0] + dx, 0, canvas.width), clamp(start[1] + dy, 0, canvas.height)]);
    if (!paints) return;
    mask ??= await subject;
    from = start;
    stroke(end);
    from = null;
  };
  canvas.addEventListener("keydown", async (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key].map((way) => way * STEP * Math.max(canvas.width, canvas.height));
    if (tool === "crop") moveBox(dx, dy, event.shiftKey);
    else await moveBrush(dx, dy, event.shiftKey);
    draw();
  });

  // With a brush a PNG, whose transparent parts are the background; else a JPEG, whose subject is looked for anew.
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
