"""Views of one object on the page: found by their names, changed by hand, priced as one, shown as one on the board."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import App, choose, drop, opened, overflow
from tests.support.pictures import encoded, photo

pytestmark = pytest.mark.browser

NAMES = ("cup_front.png", "cup_back.png", "cup-left.png", "<b>cat.png", "cat from behind.png")


async def says(page: Page, button: str, cost: str) -> None:
    """The button and the cost line say this."""
    await expect(page.locator("#generate")).to_have_text(button)
    await expect(page.locator("#cost")).to_contain_text(cost)


async def test_views_of_one_object_are_put_together_before_they_are_paid_for(app: App, page: Page):
    """Names group by themselves where the generator takes views; a person turns, joins, takes apart; each one job."""
    await opened(page, app.url)
    await choose(page, "local")
    await drop(page, *({"name": name, "mimeType": "image/png", "buffer": encoded(photo(200, 150))} for name in NAMES))
    await expect(page.locator("#tiles .note")).to_contain_text("takes one view and makes a model of each picture")
    await says(page, "Make 5 models", "Free")

    await choose(page, "hunyuan3d-v3")
    objects, sides = page.locator(".views"), page.locator(".views select")
    await expect(objects).to_have_count(1)
    assert [await sides.nth(n).input_value() for n in range(3)] == ["front", "back", "left"]
    await says(page, "Make 3 models", "2 pictures + 1 object from 3 views, 2 × $0.375 + 1 × $0.525")

    await sides.nth(1).select_option("right")
    await expect(sides.nth(2)).to_have_value("right")
    ticks = page.locator(".tile .tick input")
    await expect(ticks).to_have_count(2)
    for tick in await ticks.all():
        await tick.check()
    await page.click(".side-join")
    await expect(objects).to_have_count(2)
    await says(page, "Make 2 models", "$1.05")
    await objects.filter(has=page.get_by_label("from behind")).locator("[data-split]").click()
    await says(page, "Make 3 models", "$1.275")

    await choose(page, "tripo-h3.1")
    await expect(page.locator(".views .problem")).to_contain_text("needs the back too")
    await choose(page, "tripo-v2.5")
    await expect(page.locator(".views .problem")).to_have_count(0)
    await says(page, "Make 3 models", "$0.90")
    assert await overflow(page) <= 0
    await page.click("#generate")  # nothing answers at the address that stands for fal, so the jobs wait
    await expect(page.locator(".job-card[data-number]")).to_have_count(3)
    card = page.locator(".job-card", has=page.locator(".job-sides"))
    await expect(card.locator(".job-name")).to_have_text("cup_front.png")
    assert await card.locator(".job-sides").get_attribute("title") == (
        "Front: cup_front.png, Left: cup-left.png, Right: cup_back.png"
    )
    await page.click("#cancel")
    await expect(page.locator("#board .board")).to_have_attribute("data-state", "cancelled")
