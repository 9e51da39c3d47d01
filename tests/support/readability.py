"""Checks that a page can be read and used: by axe, and by the size and contrast of what is on it."""

from __future__ import annotations

from playwright.async_api import Page

from tests.conftest import DESKTOP, PHONE
from tests.support.browser import ROOT, overflow

AXE = ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js"


async def check_readability(page: Page) -> None:
    """Check the page as it is, in both themes, on a desk and on a phone."""
    await page.evaluate(AXE.read_text())
    for theme in ("dark", "light"):
        await page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        for size in (PHONE, DESKTOP):
            await page.set_viewport_size(size)
            await fits(page)
        assert await wrongs(page) == [], theme


async def wrongs(page: Page) -> list[str]:
    """Findings of axe on the page that are serious or worse."""
    results = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in results["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


async def fits(page: Page) -> None:
    """Nothing is wider than the window, no control too small to hit, no text too faint to read."""
    assert await overflow(page) <= 0
    small = await page.locator(
        ":is(#masthead a:not(.skip), #board button, #tiles button, #library a, #library button):visible"
    ).evaluate_all(
        """all => all.map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
             .filter(([_, box]) => box.width && (box.width < 24 || box.height < 24)).map(([what]) => what)"""
    )
    assert small == []
    faint = await page.evaluate(FAINT)
    assert faint == [], "\n".join(faint)


# Texts whose contrast with what lies behind them is under 4.5 (WCAG 2.2, 1.4.3), by the formulas given there.
FAINT = """() => {
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].map(value => value / 255);
  };
  const over = (top, below) => [0, 1, 2].map(k => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
  const behind = one => {
    if (!one) return [1, 1, 1, 1];
    const own = rgba(getComputedStyle(one).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(one.parentElement));
  };
  const light = colour => colour.slice(0, 3).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const texts = ".nav a, .head h2, .head span, .lead, .drop b, .tile .nm, .tile .st, .gen span, .keyline span, .btn,"
    + ".sum b, .how, .board h2, .board p, .job-name, .job-words span, .facts dt, .facts dd, .title-bar h1,"
    + ".title-bar p, .tools button, .checks li, .sent figcaption, .shelf h2, .shelf p, .card b, .card span, .chip,"
    + ".numbers dt, #options > button, #generate:not([disabled]), #admin-tabs button[role=tab]";
  return [...document.querySelectorAll(texts)].filter(one => one.checkVisibility() && one.innerText.trim())
    .map(one => {
      const back = behind(one), [a, b] = [light(over(rgba(getComputedStyle(one).color), back)), light(back)];
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), one.className + ": " + one.innerText.slice(0, 40)];
    }).filter(([contrast]) => contrast < 4.5).map(([contrast, text]) => contrast.toFixed(2) + " " + text);
}"""
