// Preview of the filament colours in which a model would be printed.
const percent = (share) => `${Math.max(1, Math.round(100 * share))} %`;

// A list entry for each colour, that of the largest area first; none where the server has no answer.
export const swatches = async ({ batch, number }, params) => {
  try {
    const answer = await fetch(`batches/${batch}/${number}/printer-colors?${params}`);
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
