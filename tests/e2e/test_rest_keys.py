"""The REST API of a host who has set a key and a limit, on an app of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from image2model.devtools.app_process import ADMIN_KEY
from tests.support.attacks import Functions, client_from
from tests.support.browser import App

KEY = "a rest key"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with API_KEY, and three uploads a minute."""
    app = App(tmp_path_factory.mktemp("locked"), API_KEY=KEY, UPLOADS_PER_MINUTE="3").start()
    yield app
    assert app.stop() == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [(None, "Not authenticated"), ("Basic abc", "Not authenticated"), ("Bearer wrong", "Invalid API key"),
     (f"bEaReR {KEY}", None), (f"Bearer {ADMIN_KEY}", None)],
)  # fmt: skip
def test_downloads_ask_for_the_key(locked, given, message):
    """A download without the API key is answered 403, and with it or the admin key 404 for an unknown job."""
    answer = httpx.get(
        f"{locked.url}/api/v1/download/{uuid.uuid4()}/all", headers={"Authorization": given} if given else {}
    )
    assert answer.status_code == (403 if message else 404)
    assert message in (None, answer.json()["message"])


def test_uploads_are_limited(locked):
    """The fourth upload of a minute is answered 429 with the seconds to wait, and a wrong key counts nothing."""
    for _ in range(5):
        assert httpx.post(f"{locked.url}/api/v1/upload", files={"files": b"x"}).status_code == 403
    key = {"Authorization": f"Bearer {KEY}"}
    answers = [
        httpx.post(f"{locked.url}/api/v1/upload", files={"files": ("a.jpg", b"x")}, headers=key) for _ in range(4)
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60
    assert answers[3].json()["error_code"] == "too_many_uploads"


def test_the_key_of_programs_is_no_guess_at_the_hosts(locked):
    """API_KEY on a route of the host's is refused each time and counts as no try; it still opens what it opens."""
    with client_from(locked, 7) as program:
        key = {"Authorization": f"Bearer {KEY}"}
        answers = [program.get("/api/v1/admin/disk-usage", headers=key) for _ in range(12)]
        opened = program.get("/api/v1/logs/types", headers=key)
    assert {(answer.status_code, answer.json()["message"]) for answer in answers} == {(403, "Invalid admin API key")}
    assert opened.status_code == 200


def test_keys_cannot_be_tried_for_ever(locked):
    """After ten wrong keys in a minute, wherever, none is looked at any more, in the Admin tab neither; others' are."""
    paths = ("admin/disk-usage", "logs/types", f"download/{uuid.uuid4()}/all")
    right = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with client_from(locked, 5) as visitor, client_from(locked, 6) as host:
        wrong = [
            visitor.get(f"/api/v1/{paths[n % 3]}", headers={"Authorization": f"Bearer {n}"}).status_code
            for n in range(10)
        ]
        refused = [visitor.get(f"/api/v1/{path}", headers=right) for path in paths]
        functions = Functions(visitor)
        tab = next(functions.answers(functions.of("admin")[0], {"admin-key": ADMIN_KEY}))
        let_in = host.get(f"/api/v1/{paths[0]}", headers=right)
    assert wrong == [403] * 10
    assert [answer.json()["error_code"] for answer in refused] == ["too_many_tries"] * 3
    assert {answer.status_code for answer in refused} == {429}
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60
    assert "Too many tries" in tab
    assert let_in.status_code == 200
