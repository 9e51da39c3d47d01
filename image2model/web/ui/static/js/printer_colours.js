// The colours of which a model would be printed, as many as there are filaments, before it is exported.
const percent = (share) => `${Math.max(1, Math.round(100 * share))} %`;

// A list entry for each colour, the most seen first; none where the server cannot tell.
export const swatches = async ({ batch, number }, asked) => {
  try {
    const answer = await fetch(`batches/${batch}/${number}/printer-colors?${asked}`);
    if (!answer.ok) return [];
    return (await answer.json()).colors.map(({ hex, share }) => {
      const item = Object.assign(document.createElement("li"), { title: `${hex}, ${percent(share)} of the surface` });
      item.style.background = hex;
      item.setAttribute("aria-label", item.title);
      return item;
    });
  } catch {
    return []; // offline: the bar says so
  }
};
