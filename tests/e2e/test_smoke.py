"""The run_checks at a running app that a host takes from outside."""

from __future__ import annotations

import pytest

from image2model.devtools.smoke import CHECKS, run_checks
from tests.support.browser import App
from tests.support.fal_server import FalServer

pytestmark = pytest.mark.smoke


def test_a_well_app_passes(app: App):
    """Every check says what it saw, a mesh is made, and nothing stays of it."""
    before = set((app.data / "batches").iterdir())
    reported: list[str] = []
    assert run_checks(app.url, report=reported.append) == 0, reported
    assert len(reported) == len(CHECKS)
    assert "bytes in" in reported[-1]
    assert set((app.data / "batches").iterdir()) == before


def test_another_server_does_not_pass(stand_in: FalServer):
    """Another server than image2model fails the first check, and no other check is tried."""
    reported: list[str] = []
    assert run_checks(stand_in.url, report=reported.append) == 1
    assert reported[0].startswith("WRONG")
    assert reported[1:] == ["Nothing else was tried."]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nowhere"])
def test_no_server_does_not_pass(url: str):
    """An address that is invalid or does not answer fails the check."""
    reported: list[str] = []
    assert run_checks(url, report=reported.append) == 1
