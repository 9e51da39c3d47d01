"""Fuzzing: generated requests for every REST route of the OpenAPI description, and nonsense for Gradio's routes.

`FUZZ_SECONDS` (6 by default) bounds each test, `FUZZ_SEED` repeats a run; the seed is in the message of a failure.
`python -m benchmarks.fuzz` runs for longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from benchmarks.fuzz import fuzz
from image2model.devtools.app_process import ADMIN_KEY
from tests.support.attacks import secrets_in
from tests.support.browser import App

SECONDS = int(os.environ.get("FUZZ_SECONDS", "6"))
SEED = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
)  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of its own, because the host deletes at random."""
    app = App(tmp_path_factory.mktemp("fuzz"), GENERATOR="local", UPLOADS_PER_MINUTE="10000").start()
    yield app
    app.stop()


@pytest.mark.parametrize("headers", [[], ["--header", f"Authorization: Bearer {ADMIN_KEY}"]], ids=["visitor", "host"])
def test_nothing_undocumented_is_answered(own: App, headers: list[str]):
    """schemathesis tries every described route, and finds no 500 and no answer that the description lacks."""
    tried = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{own.url}/openapi.json", "--max-examples", "5",
            "--checks", ",".join(CHECKS), "--exclude-path-regex", "stream$", "--phases", "examples,coverage,fuzzing",
            "--seed", str(SEED), "--max-time", str(SECONDS), "--no-color", "--request-timeout", "60", *headers,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tried.returncode == 0, f"FUZZ_SEED={SEED}\n{tried.stdout}{tried.stderr}"


def test_nonsense_is_refused_with_a_code_and_a_sentence(own: App):
    """No request causes a server error, stays unanswered or leaks a secret, and the page still answers afterwards."""
    result = asyncio.run(fuzz(own.url, SEED, seconds=SECONDS))
    print(result)
    assert result.faults == [], f"FUZZ_SEED={SEED}"
    assert [found for answer in result.texts for found in secrets_in(answer)] == []
    assert result.count > 10
    assert httpx.get(own.url).status_code == 200
