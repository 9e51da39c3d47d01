"""In a real browser: the page as a place to work: while it waits, on a phone, offline, and as programs see it."""

from __future__ import annotations

import json
import re

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Locator, Page, expect

from tests.conftest import PHONE
from tests.support.browser import ROOT, App, drawn, drop, go, held_back, opened, settled, swipe_up
from tests.support.pictures import encoded, photo

pytestmark = pytest.mark.browser

ROBOT, MUG = ROOT / "examples" / "robot.jpg", ROOT / "examples" / "mug.jpg"
COUNT_FRAMES = """
window.frameCount = 0;
const request = window.requestAnimationFrame;
window.requestAnimationFrame = (callback) => { window.frameCount += 1; return request(callback); };
"""
STANDS_STILL = """async () => {
  const before = window.frameCount;
  await new Promise((done) => setTimeout(done, 300));
  return window.frameCount === before;
}"""
"""Whether the page draws nothing for a while."""
MOST_BYTES = 700_000
"""Of all that the first screen needs, but pictures and models."""


async def made(page: Page, app: App, *pictures: object) -> str:
    """Make a batch of these pictures; return its id."""
    await opened(page, app.url)
    await drop(page, *pictures)  # type: ignore[arg-type]
    await page.click("#generate")
    await settled(page)
    return page.url.rpartition("batch=")[2]


async def test_waiting_is_shown_as_waiting(app: App, page: Page):
    """A board and the library are skeletons while they load, never empty; a model's picture stands until it does."""
    mine = await made(page, app, ROBOT)
    async with held_back(page, "**/queue/join*"):
        await page.goto(f"{app.url}/?batch={mine}")
        await expect(page.locator("#create[data-stage=loading]")).to_be_visible()
        await expect(page.locator(".wait-words")).to_have_text("Opening this batch…")
        await expect(page.locator("#board .sk").first).to_be_visible()
        assert await page.locator(".hero").is_hidden()
        await go(page, "library")
        await expect(page.locator("#library .sk").first).to_be_visible()
        assert await page.locator("#library").get_by_text("No models yet").count() == 0

    async with held_back(page, re.compile(r"robot\.glb")):
        await go(page, "create")
        await expect(page.locator(".job-card[data-number]")).to_have_count(1)
        await expect(page.locator(".poster")).to_be_visible()
        await expect(page.locator(".wait-words")).to_contain_text("Loading the model")
    await drawn(page)
    await expect(page.locator(".poster")).to_be_hidden()


async def test_back_and_forward_go_from_batch_to_batch(app: App, page: Page):
    """The address of a batch is a step in the browser's history.

    A board that is refused is asked for again; where its stream ends before the batch, the page is loaded again.
    """
    first = await made(page, app, ROBOT)
    await page.click("#anew")
    await expect(page.locator("#create[data-stage=hero]")).to_be_visible()
    second = await made(page, app, MUG)
    await page.go_back()
    await expect(page.locator(f'.board[data-batch="{second}"]')).to_have_count(0)
    working = f'data: <section class="board" data-state="working" data-batch="{first}"></section>\n\n'
    await page.route("**/board", lambda route: route.fulfill(body=working), times=1)
    await page.route("**/board", lambda route: route.fulfill(status=503), times=1)  # the last route answers first
    await page.goto(f"{app.url}/?batch={first}")
    await expect(page.locator(f'.board[data-batch="{first}"] .job-card')).to_have_count(1)
    await page.goto(f"{app.url}/?batch={second}")
    await expect(page.locator(f'.board[data-batch="{second}"] .job-card')).to_have_count(1)
    await page.go_back()
    await expect(page.locator(f'.board[data-batch="{first}"] .job-card')).to_have_count(1)
    await page.go_forward()
    await expect(page.locator(f'.board[data-batch="{second}"] .job-card')).to_have_count(1)


async def test_a_batch_lays_its_pictures_out_again(app: App, page: Page):
    """After a reload the pictures of this browser's own batch are there, made already; one more makes another order.

    So it is where Gradio is ready before the page's own modules: its first events and all components wait for them.
    """
    await made(page, app, ROBOT)
    async with held_back(page, "**/js/viewer.js"):
        await page.reload(wait_until="commit")
        await expect(page.locator("#images img").first).to_be_attached()
        await page.wait_for_timeout(500)
    await expect(page.locator("#generate")).to_have_text("Try another generator")
    await expect(page.locator("#viewer .view-box[data-state=shown]")).to_be_visible()
    await expect(page.locator("#stage-title")).to_have_text("robot")
    await expect(page.locator(".tile [data-show]")).to_have_count(1)
    await drop(page, MUG)
    await expect(page.locator("#generate")).to_have_text("Make 2 models")


async def test_a_phone_shows_the_board_at_once_and_scrolls_over_the_model(app: App, chromium: Browser):
    """Make brings the results into view; a swipe over the model scrolls the page; a bar holds what comes next."""
    context = await chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page = await opened(await context.new_page(), app.url)
    await drop(page, ROBOT)
    bar = await page.locator("#generate").bounding_box()
    assert bar["y"] + bar["height"] <= PHONE["height"]
    await page.click("#generate")
    await expect(page.locator("#stage-bar")).to_be_in_viewport()
    await settled(page)
    await drawn(page)
    assert await page.evaluate("scrollY") == 0
    canvas = await page.locator("#viewer canvas").bounding_box()
    await swipe_up(page, canvas["x"] + 100, canvas["y"] + 200)
    await page.wait_for_function("scrollY > 50")
    await expect(page.locator(".phone-bar").get_by_role("button", name="Export")).to_be_in_viewport()
    await expect(page.locator(".phone-bar").get_by_role("button", name="New batch")).to_be_in_viewport()
    await context.close()


async def test_offline_page_shows_a_bar_and_stays_usable(app: App, page: Page):
    """Without a connection a bar says so, what needs the server is off, and all of it comes back."""
    await made(page, app, ROBOT)
    await drop(page, MUG)
    await expect(page.locator("#generate")).to_have_text("Make 2 models")
    await expect(page.locator(".tile [data-show]")).to_have_count(2)
    await page.context.set_offline(True)
    await expect(page.locator(".netbar")).to_have_text("Offline. Your batch continues on the server.")
    await expect(page.locator("#generate")).to_be_disabled()
    await expect(page.locator(".tile [data-show]")).to_have_count(2)
    await page.context.set_offline(False)
    await expect(page.locator(".netbar")).to_be_hidden()
    await expect(page.locator("#generate")).to_be_enabled()


async def test_tiles_have_names_and_a_remove_button_and_hide_gradios_gallery(app: App, page: Page):
    """Each tile names its file and has a cross of 32 pixels; no toolbar and no counter of Gradio's is seen, or runs.

    Of a tall picture a tile shows the top, the board and the library all.
    """
    await page.add_init_script(COUNT_FRAMES)
    await opened(page, app.url)
    tall = {"name": "tall.png", "mimeType": "image/png", "buffer": encoded(photo(200, 900))}
    await drop(page, ROBOT)
    await drop(page, tall)
    await expect(page.locator(".tile .nm")).to_have_text(["robot.jpg", "tall.png"])
    await expect(page.locator(".tile.early")).to_have_count(0)
    crosses = await page.locator(".tile .x").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
    )
    assert len(crosses) == 2
    assert min(crosses) >= 32
    await expect(page.locator(".tile img").last).to_have_css("object-position", "50% 0px")
    await page.click("#generate")
    await settled(page)
    await expect(page.locator('.job-card[data-name="tall.png"] img')).to_have_css("object-fit", "contain")
    for gradios in ("[data-testid=status-tracker]", ".progress-text", ".meta-text", ".eta-bar", ".icon-button-wrapper"):
        assert await page.locator(f"{gradios}:visible").count() == 0, gradios
    await page.wait_for_function(STANDS_STILL, polling=100)
    await go(page, "library")
    await expect(page.locator(".card", has_text="tall").locator("img")).to_have_css("object-fit", "contain")


async def test_pictures_beyond_the_batch_limit_are_named(app: App, page: Page):
    """Two of 27 dropped pictures are left out, and their tiles give the reason."""
    await opened(page, app.url)
    await drop(page, *({"name": f"{n}.png", "mimeType": "image/png", "buffer": encoded(photo())} for n in range(27)))
    left_out = page.locator(".tile.refused")
    await expect(left_out).to_have_count(2)
    await expect(left_out.first).to_contain_text("25.png")
    await expect(left_out.first).to_contain_text("One too many")
    await expect(page.locator("#cost")).to_contain_text("26.png is left out: one batch takes up to 25 pictures")
    await expect(page.locator("#generate")).to_have_text("Make 25 models")


async def test_a_picture_is_cropped_and_its_cut_out_corrected(app: App, page: Page):
    """A box keeps a part; a brush takes away from what was found to be the subject; arrow keys move both.

    What comes of it is sent.
    """
    await opened(page, app.url)
    await drop(page, ROBOT)
    judged = page.locator(".tile .st.ok")
    await expect(judged).to_have_count(1)
    await page.click("#edit-picture")
    editor = page.locator("#picture-editor")
    easel = editor.locator("canvas")
    await drag(page, easel, (0.1, 0.1), (0.9, 0.5))
    await press(easel, *["Shift+ArrowDown"] * 5)
    await editor.get_by_role("button", name="Use this picture").click()
    await expect(page.locator("#picture-size")).to_have_text("819 × 512 px")
    await expect(judged).to_have_count(1)

    await page.click("#edit-picture")
    await editor.get_by_role("button", name="Remove").click()
    await drag(page, easel, (0.5, 0.5), (0.6, 0.5))
    await press(easel, *["ArrowDown"] * 5, *["Shift+ArrowRight"] * 3)
    await editor.get_by_role("button", name="Use this picture").click()
    await expect(page.locator(".tile .nm")).to_have_text("robot.png")
    await expect(judged).to_have_count(1)
    (sent,) = app.cache.rglob("robot.png")
    alpha = np.asarray(Image.open(sent).getchannel("A"))
    assert alpha.shape == (512, 819)
    assert [alpha[256, 440], alpha[338, 430]] == [0, 0]  # painted
    assert [alpha[5, 5], alpha[450, 410]] == [0, 255]  # background, body


async def press(place: Locator, *keys: str) -> None:
    """Press one key after the other on an element."""
    for key in keys:
        await place.press(key)


async def drag(page: Page, place: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw with the mouse from one point of an element to another, both as shares of its width and height."""
    await expect(place).to_be_visible()
    box = await place.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    await page.mouse.move(*points[0])
    await page.mouse.down()
    await page.wait_for_timeout(300)  # what the brush begins with is fetched
    await page.mouse.move(*points[1], steps=5)
    await page.mouse.up()


async def test_failed_job_offers_its_remedy(app: App, page: Page):
    """A picture without a subject is offered as a relief card, which then is made."""
    fog = {"name": "fog.png", "mimeType": "image/png", "buffer": encoded(photo(300, 200).point(lambda _: 120))}
    await made(page, app, fog)
    await expect(page.locator(".job-card[data-state=failed]")).to_contain_text("Not made.")
    await page.get_by_role("button", name="Make a relief card").click()
    await expect(page.locator("#generate")).to_have_text("Make 1 model")
    await expect(page.locator("#options > button")).to_be_visible()
    await page.click("#generate")
    await expect(page.locator(".board[data-state=done]")).to_be_visible()


async def test_the_api_page_names_this_address(app: App, chromium: Browser):
    """The commands of the API page are those for the address under which it was opened, in the chosen language."""
    address = app.url.replace("127.0.0.1", "localhost")
    page = await opened(await chromium.new_page(), address)
    await go(page, "api")
    command = page.locator("#api pre:visible").first
    await expect(command).to_have_text(f"python one-picture.py cat.jpg {address}")
    await page.get_by_role("button", name="curl").click()
    await expect(command).to_have_text(f"bash one-picture.sh cat.jpg {address}")
    await page.close()


async def test_a_shared_link_has_a_preview(app: App, page: Page, chromium: Browser):
    """A shared link has a title and an existing picture as its preview, and other addresses have none."""
    mine = await made(page, app, ROBOT, MUG)
    async with httpx.AsyncClient(trust_env=False) as client:
        shared = (await client.get(f"{app.url}/?batch={mine}")).text
        assert re.findall('property="og:title" content="([^"]+)"', shared) == ["robot and 1 more in 3D"]
        image = re.search(r'property="og:image" content="([^"]+)"', shared)
        assert image
        assert (await client.get(image.group(1))).headers["content-type"] == "image/webp"
        for other in ("/", "/?batch=nope"):
            assert "in 3D" not in (await client.get(app.url + other)).text


async def test_the_first_screen_is_light_and_kept(app: App, chromium: Browser):
    """Less than 0.7 MB without pictures and models; scripts and styles are compressed and kept by the browser."""
    context = await chromium.new_context(reduced_motion="reduce")
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["response"]["url"]}))
    session.on(
        "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])})
    )
    await opened(page, app.url)
    await page.wait_for_timeout(3000)
    loaded = {kinds[key]: size for key, size in sizes.items() if key in kinds}
    code = {url: size for url, size in loaded.items() if not re.search(r"\.(webp|jpg|png|glb|ico)|file=|data:", url)}
    assert sum(code.values()) <= MOST_BYTES, json.dumps(sorted(((v, k) for k, v in code.items()), reverse=True)[:12])
    async with httpx.AsyncClient(trust_env=False, headers={"Accept-Encoding": "gzip"}) as client:
        scripts = [url for url in code if url.endswith((".js", ".css")) and app.url in url]
        assert scripts
        for url in scripts:
            answer = await client.get(url)
            kept = "max-age=86400" if "/static/js/" in url else "immutable"  # the former has no version in its name
            assert kept in answer.headers.get("cache-control", ""), url
            assert len(answer.content) < 500 or answer.headers.get("content-encoding") == "gzip", url
    await context.close()
