// Pictures not yet sent, and what is chosen for them, outlive a reload of this tab: the page reloads when a lost
// connection is back.
window.draft = (() => {
  const PLACE = "image2model-draft";
  let sent = []; // paths of pictures
  const unsent = (images) => (images ?? []).filter((one) => !sent.includes(one.image.path));

  // Uploads are on the server's disk for a time.
  const there = async (images) => {
    const found = await Promise.all(images.map((one) => fetch(one.image.url, { method: "HEAD" }).catch(() => ({ ok: false }))));
    return images.filter((_, number) => found[number].ok);
  };

  // `names` are those of the values, of which the first are the pictures.
  const keep = (names, images, ...values) => {
    try {
      const kept = [unsent(images), ...values].map((value, number) => [names[number], value]);
      sessionStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(kept)));
    } catch {} // a browser that keeps nothing
  };
  const send = (names, images, ...values) => {
    sent = (images ?? []).map((one) => one.image.path);
    keep(names, images, ...values);
  };
  // What was kept, and that it was, where there are pictures; else nothing is touched.
  const recall = async (names) => {
    let kept = {};
    try {
      kept = JSON.parse(sessionStorage.getItem(PLACE)) ?? {};
    } catch {}
    const pictures = await there(kept[names[0]] ?? []);
    const same = { __type__: "update" };
    if (!pictures.length) return [...names, "recalled"].map(() => same);
    return [pictures, ...names.slice(1).map((name) => kept[name] ?? same), "yes"];
  };
  // A new batch begins with nothing.
  const forget = () => sessionStorage.removeItem(PLACE);
  return { keep, send, recall, forget };
})();
