"""Names that programs, hosts and style sheets rely on stay as they are stored."""

from __future__ import annotations

import json

import pytest

from tests.support.browser import App
from tests.support.contract import CONTRACT, contract

STORED = json.loads(CONTRACT.read_text())


@pytest.mark.parametrize("part", ["rest", "api", "error_codes", "settings", "element_ids"])
def test_names_on_the_wire_are_those_stored(app: App, part: str) -> None:
    """Names and statuses change on purpose only (`python -m tests.support.contract` stores them anew)."""
    assert contract(app.url)[part] == STORED[part]
