// The model on the stage: its picture and the bytes loaded, until the mesh is there; render modes, backgrounds, rotation.
import { $, $$, drawsInSoftware, listen, megabytes, prefersReducedMotion, setPressed, stage } from "./page.js";

const whenIdle = (callback) => (window.requestIdleCallback ?? setTimeout)(callback, { timeout: 2000 });

export const mount = ({ element }) => {
  const box = $(".view-box", element);
  const poster = $(".poster", box);
  const pill = $(".wait-pill", box);
  const inset = $(".inset", box);
  let view = null; // created with the first model
  let shown = ""; // address of the model that is shown or on its way
  let rotates = !prefersReducedMotion() && !drawsInSoftware();

  const showStatus = (text, spinner = true) => {
    pill.hidden = !text;
    $(".wait-words", pill).textContent = text;
    $(".spin", pill).hidden = !spinner;
  };
  const turnButton = $("[data-turn]", box);
  const updateTurnButton = () => {
    turnButton.setAttribute("aria-pressed", String(rotates));
    turnButton.setAttribute("aria-label", rotates ? "Stop turning" : "Turn by itself");
    turnButton.title = turnButton.getAttribute("aria-label");
  };
  const createView = async () => {
    const { View } = await import("./scene.js");
    view ??= new View($(".scene", box), () => {
      rotates = false;
      updateTurnButton();
    });
    return view;
  };

  const show = async ({ mesh, bytes = 0, poster: picture, rotating = rotates }) => {
    if (shown === mesh) return;
    shown = mesh;
    box.dataset.state = "loading";
    view?.clear();
    poster.hidden = !picture;
    if (picture) poster.src = picture;
    showStatus("Loading the model…");
    try {
      const ready = await (await createView()).load(mesh, Number(bytes), (loaded, total) => {
        if (shown === mesh && total > 3e5) showStatus(`Loading the model, ${megabytes(loaded)} of ${megabytes(total)} MB`);
      });
      if (!ready || shown !== mesh) return;
      box.dataset.state = "shown";
      poster.hidden = true;
      showStatus("");
      view.setRotating(rotating);
    } catch (error) {
      if (shown !== mesh || error.name === "AbortError") return;
      shown = "";
      box.dataset.state = "failed";
      if (stage.shown === "hero") return showStatus(""); // its picture is enough
      showStatus(navigator.onLine ? "This browser cannot show the model. Export works." : "The model loads when you are online again.", false);
    }
  };

  const compare = (on) => {
    box.toggleAttribute("data-compare", on);
    inset.setAttribute("aria-pressed", String(on));
    if (on) $("#compared", box).src = inset.dataset.whole;
    view?.resize();
  };

  const loadHero = () => stage.shown === "hero" && show({ mesh: box.dataset.hero, poster: box.dataset.heroPoster });
  const showHeroPicture = () => {
    inset.hidden = true;
    compare(false);
    // The picture of the model is there at once; the model itself waits until the page is idle, and on a machine
    // without a graphics card until the visitor clicks.
    if (box.dataset.hero) {
      box.dataset.state = "still";
      poster.src = box.dataset.heroPoster;
      poster.hidden = false;
      showStatus("");
      if (!drawsInSoftware()) whenIdle(loadHero);
    }
    else if (shown) {
      shown = "";
      view?.clear();
      poster.hidden = true;
      showStatus("");
    }
  };
  listen("stage", ({ view: shownView }) => {
    $(".gone", box).hidden = shownView !== "gone";
    if (shownView === "hero") showHeroPicture();
    if (shownView === "loading") showStatus("Opening this batch…");
    if (shownView === "gone") {
      shown = "";
      view?.clear();
      poster.hidden = inset.hidden = true;
      showStatus("");
    }
  });
  listen("result", (result) => {
    inset.hidden = false;
    $("img", inset).src = result.picture;
    inset.dataset.whole = result.whole;
    $("#compared", box).alt = `The picture ${result.name}`;
    compare(false);
    show(result);
  });
  listen("result-pending", ({ picture, ended }) => {
    shown = "";
    view?.clear();
    inset.hidden = true;
    box.dataset.state = "pending";
    poster.hidden = !picture;
    if (picture) poster.src = picture;
    showStatus(ended ? "No model was made" : "The first model opens here", !ended);
  });

  box.addEventListener("click", (event) => {
    if (box.dataset.state === "still") loadHero();
    const button = event.target.closest("button");
    if (!button) return;
    if (button === inset) return compare(!box.hasAttribute("data-compare"));
    const { look, ground } = button.dataset;
    if (look) {
      setPressed(button, $$("[data-look]", box));
      if (view) view.setMode(look);
    } else if (ground) {
      setPressed(button, $$("[data-ground].sw", box));
      box.dataset.ground = ground;
    } else if (button === turnButton) {
      rotates = !rotates;
      updateTurnButton();
      view?.setRotating(rotates);
    } else if ("full" in button.dataset) {
      if (document.fullscreenElement) document.exitFullscreen();
      else box.requestFullscreen?.();
    }
  });
  document.addEventListener("fullscreenchange", () => {
    const on = document.fullscreenElement === box;
    $("[data-full]", box).setAttribute("aria-pressed", String(on));
    view?.setFullscreen(on);
    view?.resize();
  });

  updateTurnButton();
  if (stage.shown === "hero") showHeroPicture();
  if (stage.shown === "loading") showStatus("Opening this batch…");
};
