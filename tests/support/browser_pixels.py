"""Pixels of pictures as headless Chromium shows them, to judge our own decoding."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import async_playwright

from image2model.devtools.browser import CHROMIUM

DRAW = """async (data) => {
  const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([bytes]));
  try { await image.decode(); } catch { return null; }
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", {colorSpace: "srgb", willReadFrequently: true});
  context.drawImage(image, 0, 0);
  const pixels = new Uint8Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  let text = "";
  for (let at = 0; at < pixels.length; at += 30000) text += String.fromCharCode(...pixels.subarray(at, at + 30000));
  return [canvas.width, canvas.height, btoa(text)];
}"""


async def browser_pixels(pictures: Mapping[str, bytes]) -> dict[str, NDArray[np.uint8] | None]:
    """The pixels (height, width, RGBA) that Chromium shows of each picture, None where it shows none."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**CHROMIUM)
        page = await browser.new_page()
        shown = {name: await page.evaluate(DRAW, base64.b64encode(data).decode()) for name, data in pictures.items()}
        await browser.close()
    return {name: found and _pixels(*found) for name, found in shown.items()}


def _pixels(width: int, height: int, data: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
