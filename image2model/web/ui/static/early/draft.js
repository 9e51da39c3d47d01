// Pictures not yet sent, and their options, survive a reload of this tab: the page reloads when a lost connection is
// back.
window.draft = (() => {
  const STORAGE_KEY = "image2model-draft";
  let sent = []; // paths
  const unsent = (images) => (images ?? []).filter(({ image }) => !sent.includes(image.path));

  // The server keeps uploads for a limited time.
  const stillOnServer = async (images) => {
    const answers = await Promise.all(images.map(({ image }) => fetch(image.url, { method: "HEAD" }).catch(() => ({ ok: false }))));
    return images.filter((_, number) => answers[number].ok);
  };

  // `names` are the keys of the values; the first is that of the pictures.
  const save = (names, images, ...values) => {
    try {
      const entries = [unsent(images), ...values].map((value, number) => [names[number], value]);
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify(Object.fromEntries(entries)));
    } catch {} // a browser without storage
  };
  const markSent = (names, images, ...values) => {
    sent = (images ?? []).map(({ image }) => image.path);
    save(names, images, ...values);
  };
  // The pictures of the batch that the page shows were sent, before a reload.
  const markRestored = (names, images, ...values) => values.pop() === "batch" && markSent(names, images, ...values);
  // The saved values and "yes" where pictures were saved; else no change.
  const restore = async (names) => {
    let saved = {};
    try {
      saved = JSON.parse(sessionStorage.getItem(STORAGE_KEY)) ?? {};
    } catch {}
    const pictures = await stillOnServer(saved[names[0]] ?? []);
    const unchanged = { __type__: "update" };
    if (!pictures.length) return [...names, "recalled"].map(() => unchanged);
    return [pictures, ...names.slice(1).map((name) => saved[name] ?? unchanged), "yes"];
  };
  // A new batch begins without pictures.
  const clear = () => sessionStorage.removeItem(STORAGE_KEY);
  return { save, markSent, markRestored, restore, clear };
})();
