"""The tree of errors: drawn as it is, and every code that a decision hangs on is one that something raises."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from image2model import errors
from image2model.generators.fal import NOT_BILLED, STILL_AT_FAL
from image2model.jobs import retry_policy, views
from image2model.services import admin

PACKAGE = Path(errors.__file__).parent
TREE = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
DECISIONS = {
    "tried again": retry_policy.AGAIN, "collected": retry_policy.COLLECTABLE,
    "still over there": retry_policy.NOT_OVER_THERE,
    "the generator's fault": retry_policy.FAULTS, "what helps": views.ACTIONS, "no credit": views.NO_CREDIT,
    "for the host": admin.ATTENTION, "not billed": NOT_BILLED, "still at fal": STILL_AT_FAL,
}  # fmt: skip


def raised() -> set[str]:
    """Every code that an error, or a row of a table of failures, of the package has."""
    calls = (node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    makers = {*TREE, "Failure", "failed"}
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in makers and call.args
        if isinstance(call.args[0], ast.Constant)
    }


def test_the_tree_is_drawn_as_it_is():
    """Each error stands in the module's drawing, below its parent."""
    drawn = [line.split("─ ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "─ " in line]
    assert sorted(["Image2ModelError", *drawn]) == sorted(TREE)


@pytest.mark.parametrize("codes", DECISIONS.values(), ids=DECISIONS)
def test_what_is_decided_by_a_code_can_happen(codes):
    """No table waits for a code that was renamed or is spelt otherwise where it is raised."""
    assert set(codes) <= raised()
