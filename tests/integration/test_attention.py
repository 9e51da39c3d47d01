"""Problems at fal that only the host can solve are shown to the host, until they are solved."""

from __future__ import annotations

import time
from typing import Any

import pytest

from image2model.errors import GenerationFailed
from image2model.generators.base import Submitted
from image2model.services import Caller, SubmitRequest
from image2model.services.key_attempts import FREE_ATTEMPTS
from image2model.web.middleware.proxy_headers import TrustedProxyMiddleware
from image2model.web.ui.admin import wording
from tests.support.scripted import finished, picture, view_when


def refused(code: str, **more: Any) -> GenerationFailed:
    """A failure by the host's key."""
    return GenerationFailed(code, "No.", "Mend it.", **more)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("key_refused", "fal refuses the host's key"),
        ("balance_exhausted", "no credit left"),
        ("account_locked", "locked the host's account"),
    ],
)
async def test_attention_lists_problems_of_the_host_key(start, generator, uploads, code: str, words: str):
    """Count, moment and words of what stops every picture; gone as soon as fal has taken one again."""
    services = await start()
    assert (await services.admin.overview())["attention"] == []
    generator.script = lambda task: [refused(code)]
    begun = time.time()
    batch = await services.submit(SubmitRequest([picture(uploads, name) for name in ("a.png", "b.png")]))
    await finished(services, batch.id)
    (entry,) = (await services.admin.overview())["attention"]
    assert (entry["code"], entry["count"]) == (code, 2)
    assert words in entry["message"]
    assert entry["hint"]
    assert begun <= entry["last_seen"] <= time.time()

    generator.script = lambda task: [Submitted({"request_id": "r", "submitted_at": time.time()})]
    await finished(services, (await services.submit(SubmitRequest([picture(uploads, "c.png")]))).id)
    assert (await services.admin.overview())["attention"] == []


async def test_a_visitor_s_own_key_is_no_concern_of_the_host(start, generator, uploads):
    """The empty account of a visitor's own key is an error of the job and no warning for the host."""
    services = await start()
    generator.script = lambda task: [refused("balance_exhausted")]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]), Caller(key="their key"))
    assert (await finished(services, batch.id)).jobs[0].error.code == "balance_exhausted"
    assert (await services.admin.overview())["attention"] == []


async def test_attention_counts_results_withheld_by_a_refused_key(start, generator, uploads):
    """While paid results wait for a key that fal accepts, the host knows how many."""
    services = await start(retry_pace=10)
    remote = {"request_id": "r", "submitted_at": time.time()}
    generator.script = lambda task: [Submitted(remote), refused("collect_refused", retryable=True)]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(services, batch.id, lambda view: view.jobs[0].waiting)
    (entry,) = (await services.admin.overview())["attention"]
    assert (entry["code"], entry["count"]) == ("collect_refused", 1)
    assert "paid for" in entry["message"]


async def test_wrong_keys_are_listed_and_delay_only_their_network(start):
    """Ten wrong keys are a warning for the host and do not count as a fault of fal."""
    services = await start()
    for number in range(FREE_ATTEMPTS):
        await services.key_attempts.record_failure("192.0.2.1", b"%d" % number)
    (entry,) = (await services.admin.overview())["attention"]
    assert entry["code"] == "too_many_tries"
    assert (await services.admin.remote_status())["attention"] == []


@pytest.mark.parametrize(
    ("peer", "headers", "reported"),
    [
        ("10.0.0.2", {b"x-forwarded-for": b"192.0.2.1"}, True),
        ("::ffff:172.17.0.1", {b"forwarded": b"for=192.0.2.1"}, True),
        ("10.0.0.2", {}, False),
        ("192.0.2.77", {b"x-forwarded-for": b"10.0.0.2"}, True),
        ("8.8.8.8", {b"x-forwarded-for": b"10.0.0.2"}, False),
        ("127.0.0.1", {b"x-forwarded-for": b"192.0.2.1"}, False),
        ("", {b"x-forwarded-for": b"192.0.2.1"}, False),
    ],
)
async def test_untrusted_proxy_is_reported_once(start, caplog, peer: str, headers: dict[bytes, bytes], reported: bool):
    """Log (once) and Admin name the address to trust; headers from strangers and from trusted proxies do not count."""
    services, seen = await start(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    proxy = TrustedProxyMiddleware(app, "127.0.0.1 ::1", services.untrusted_proxy.record_peer)
    for _ in range(3):
        scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": list(headers.items())}
        await proxy(scope, None, None)
    lines = [record.getMessage() for record in caplog.records if "proxy not trusted" in record.getMessage()]
    entries = (await services.admin.overview())["attention"]
    assert len(seen) == 3
    assert len(lines) == len(entries) == reported
    if reported:
        assert f"TRUSTED_PROXIES={peer}" in lines[0]
        overview = {"attention": entries, "breakers": [], "daily_budget": None, "spent_today": 0}
        (alert,) = wording.alerts(overview, [], str)
        assert f"TRUSTED_PROXIES={peer}" in alert.hint
        assert "picture" not in alert.note
