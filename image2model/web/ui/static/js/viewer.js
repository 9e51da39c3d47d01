// The stage's model: its picture stands there, soft, with the bytes, until the mesh does; looks, grounds, turning.
import { $, $$, drawsInSoftware, listen, megabytes, prefersReducedMotion, setPressed, stage } from "./page.js";

const whenIdle = (callback) => (window.requestIdleCallback ?? setTimeout)(callback, { timeout: 2000 });

export const mount = ({ element }) => {
  const box = $(".view-box", element);
  const poster = $(".poster", box);
  const pill = $(".wait-pill", box);
  const inset = $(".inset", box);
  let view = null; // made with the first model
  let shown = ""; // address of the model that is shown or on its way
  let turns = !prefersReducedMotion() && !drawsInSoftware();

  const say = (words, spins = true) => {
    pill.hidden = !words;
    $(".wait-words", pill).textContent = words;
    $(".spin", pill).hidden = !spins;
  };
  const turnButton = $("[data-turn]", box);
  const sayTurning = () => {
    turnButton.setAttribute("aria-pressed", String(turns));
    turnButton.setAttribute("aria-label", turns ? "Stop turning" : "Turn by itself");
    turnButton.title = turnButton.getAttribute("aria-label");
  };
  const made = async () => {
    const { View } = await import("./scene.js");
    view ??= new View($(".scene", box), () => {
      turns = false;
      sayTurning();
    });
    return view;
  };

  const show = async ({ mesh, bytes = 0, poster: picture, turning = turns }) => {
    if (shown === mesh) return;
    shown = mesh;
    box.dataset.state = "loading";
    view?.clear();
    poster.hidden = !picture;
    if (picture) poster.src = picture;
    say("Loading the model…");
    try {
      const ready = await (await made()).load(mesh, Number(bytes), (loaded, total) => {
        if (shown === mesh && total > 3e5) say(`Loading the model, ${megabytes(loaded)} of ${megabytes(total)} MB`);
      });
      if (!ready || shown !== mesh) return;
      box.dataset.state = "shown";
      poster.hidden = true;
      say("");
      view.turn(turning);
    } catch (error) {
      if (shown !== mesh || error.name === "AbortError") return;
      shown = "";
      box.dataset.state = "failed";
      say(navigator.onLine ? "This browser cannot show the model. Export works." : "The model loads when you are online again.", false);
    }
  };

  const compare = (on) => {
    box.toggleAttribute("data-compare", on);
    inset.setAttribute("aria-pressed", String(on));
    if (on) $("#compared", box).src = inset.dataset.whole;
    view?.resize();
  };

  const showHero = () => stage.shown === "hero" && show({ mesh: box.dataset.hero, poster: box.dataset.heroPoster });
  const hero = () => {
    inset.hidden = true;
    compare(false);
    // The picture of the model is there at once; the model itself waits until the page is ready to be used, and on a
    // machine that would draw it slowly, until somebody asks for it.
    if (box.dataset.hero) {
      box.dataset.state = "still";
      poster.src = box.dataset.heroPoster;
      poster.hidden = false;
      say("");
      if (!drawsInSoftware()) whenIdle(showHero);
    }
    else if (shown) {
      shown = "";
      view?.clear();
      poster.hidden = true;
      say("");
    }
  };
  listen("stage", ({ what }) => {
    $(".gone", box).hidden = what !== "gone";
    if (what === "hero") hero();
    if (what === "loading") say("Opening this batch…");
    if (what === "gone") {
      shown = "";
      view?.clear();
      poster.hidden = inset.hidden = true;
      say("");
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
  listen("result-pending", ({ picture }) => {
    shown = "";
    view?.clear();
    inset.hidden = true;
    box.dataset.state = "pending";
    poster.hidden = !picture;
    if (picture) poster.src = picture;
    say("The first model opens here");
  });

  box.addEventListener("click", (event) => {
    if (box.dataset.state === "still") showHero();
    const button = event.target.closest("button");
    if (!button) return;
    if (button === inset) return compare(!box.hasAttribute("data-compare"));
    const { look, ground } = button.dataset;
    if (look) {
      setPressed(button, $$("[data-look]", box));
      if (view) view.show(look);
    } else if (ground) {
      setPressed(button, $$("[data-ground].sw", box));
      box.dataset.ground = ground;
    } else if (button === turnButton) {
      turns = !turns;
      sayTurning();
      view?.turn(turns);
    } else if ("full" in button.dataset) {
      if (document.fullscreenElement) document.exitFullscreen();
      else box.requestFullscreen?.();
    }
  });
  document.addEventListener("fullscreenchange", () => {
    const on = document.fullscreenElement === box;
    $("[data-full]", box).setAttribute("aria-pressed", String(on));
    view?.full(on);
    view?.resize();
  });

  sayTurning();
  if (stage.shown === "hero") hero();
  if (stage.shown === "loading") say("Opening this batch…");
};
