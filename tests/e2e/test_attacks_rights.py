"""Attacks on rights on the running app: the host's functions, other people's batches, files that are none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.attacks import Functions, call, file, secrets_in, uploaded
from tests.support.browser import ROOT, App
from tests.support.pictures import encoded, photo

OWNER = "the owner's browser"
NOT_THE_HOST = ("This is not the admin key.", "Too many tries.")


@pytest.fixture(scope="module")
def functions(visitor: httpx.Client) -> Functions:
    """Every function of the page."""
    return Functions(visitor)


@pytest.fixture(scope="module")
def owned(visitor: httpx.Client, functions: Functions) -> str:
    """The id of a batch that belongs to one browser."""
    (submit,) = [function for function in functions.all if function["api_name"] == "submit"]
    picture = {"image": file(uploaded(visitor, "secret plan.png", encoded(photo(64, 64)))), "caption": None}
    data = functions.data(submit, {"images": [picture], "browserstate": OWNER, "generator": "local"})
    body = {"data": data, "fn_index": submit["id"], "session_hash": "owner"}
    return str(visitor.post("/gradio_api/run/predict", json=body).json()["data"][0])


@pytest.mark.parametrize("key", ["", "wrong", ["x"]])
def test_no_admin_function_runs_without_rights(functions: Functions, owned: str, key: Any):
    """Each function of the Admin tab, found in the configuration, refuses a stranger over every way to call it.

    What it would need besides the key is right, so that nothing else stops it.
    """
    numbers = functions.of("admin")
    assert len(numbers) >= 5
    given = {"admin-key": key}
    event = {"dataset": {"action": "delete", "batch": owned, "hours": "0"}}
    for number, function in enumerate(numbers):
        answers = list(functions.answers(function, given, event, **{"X-Forwarded-For": f"198.51.100.{number}"}))
        assert [any(word in answers[at] for word in NOT_THE_HOST) for at in (0, 2, 4)] == [True] * 3, function
        assert secrets_in("".join(answers)) == []


@pytest.mark.parametrize(
    "claim", ["", None, "x", "%", "*", "' OR 1=1--", True, 1, [OWNER], {"$ne": ""}, "THE OWNER'S BROWSER"]
)
def test_no_browser_lists_or_deletes_another_ones_batches(
    visitor: httpx.Client, functions: Functions, owned: str, claim: Any
):
    """The library shows and removes only the batches of the browser's own id, for any claimed id."""
    for function in functions.of("library"):
        answers = "".join(functions.answers(function, {"browserstate": claim}, {"batch": owned}))
        assert owned not in answers.replace(f'"batch":"{owned}"', "")
        assert "secret plan" not in answers
    assert visitor.get(f"/batches/{owned}/1/input.webp").status_code == 200


def test_the_owner_finds_it(functions: Functions, owned: str):
    """The attack before this one would have found the batch with the right mark."""
    shelf = functions.of("library")[0]
    assert owned in "".join(functions.answers(shelf, {"browserstate": OWNER}))


FORGED = [
    "/etc/passwd", "{data}/secret", "{data}/image2model.db", "{data}/batches/{owned}/1-secret plan/input.png",
    "{root}/pyproject.toml", "/proc/self/environ", "{cache}/../data/secret", "{cache}", "file:///etc/passwd",
    "http://127.0.0.1:1/a.png", "https://127.0.0.1/a.png", "https://169.254.169.254/a.png", "\x00", "{link}",
]  # fmt: skip


@pytest.mark.parametrize("path", FORGED)
def test_a_file_that_is_no_upload_is_not_read(
    target: App, visitor: httpx.Client, functions: Functions, owned: str, path: str
):
    """Wherever pictures are taken, by a name or by a number, a path of the host and an inner address are refused."""
    link = Path(uploaded(visitor, "link.png", path.encode())).with_name("there.png")
    link.symlink_to(target.data / "secret")
    named = path.format(data=target.data, cache=target.cache, root=ROOT, owned=owned, link=link)
    forged = file(named, url="https://example.org/a.png", orig_name="a.png", mime_type="image/png")
    for name, data in {"generate": forged, "submit_batch": [forged], "generate_from_sides": forged}.items():
        answer = call(visitor, name, data, *[None] * (3 if name == "generate_from_sides" else 0), "local", None, None)
        assert "batch_id" not in answer
        assert ("event: error" in answer, secrets_in(answer)) == (True, [])
    (submit,) = [function for function in functions.all if function["api_name"] == "submit"]
    given = {"images": [{"image": forged, "caption": None}], "generator": "local", "browserstate": "evil"}
    answers = list(functions.answers(submit, given))
    assert [re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}", answers[at]) for at in (0, 4)] == [None, None]
    assert secrets_in("".join(answers)) == []


def test_upload_paths_cannot_be_guessed(target: App, visitor: httpx.Client):
    """The folder of an upload is named after a digest, and no folder of uploads can be listed."""
    path = Path(uploaded(visitor, "mine.png", b"only I know this"))
    assert re.fullmatch(r"[0-9a-f]{64}", path.parent.name)
    for folder in (path.parent, target.cache):
        assert visitor.get(f"/gradio_api/file={folder}").status_code in (403, 404)


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", "Bearer null", "Basic YWRtaW46YWRtaW4=", "Bearer é"])
def test_no_host_route_of_the_api_answers_without_its_key(visitor: httpx.Client, owned: str, given: str | None):
    """Every described route of admin and of logs says no before it reads anything else."""
    headers = {"Authorization": given.encode()} if given else {}
    paths = visitor.get("/openapi.json").json()["paths"]
    host = [path for path in paths if path.startswith(("/api/v1/admin", "/api/v1/logs"))]
    assert len(host) >= 12
    for path in host:
        for method in paths[path]:
            answer = visitor.request(method, re.sub(r"{\w+}", owned, path), headers=headers)
            assert answer.status_code in ((403, 429) if given else (403,)), (path, method)
