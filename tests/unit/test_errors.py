"""The tree of errors: drawn as it is, and every code that a decision hangs on is one that something raises."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from image2model import errors
from image2model.errors import Code, ErrorCode
from image2model.generators import providers
from image2model.generators.failure_rules import COMMON_RULES, FailureRules
from image2model.generators.fal.failure_messages import FalErrorCode
from image2model.generators.local.failure_messages import LocalErrorCode
from image2model.generators.providers import Provider, failure_rules, rules_of

PACKAGE = Path(errors.__file__).parent
TREE = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
ENUMS = {kind.__name__: kind for kind in (ErrorCode, FalErrorCode, LocalErrorCode)}
DECISIONS: dict[str, Callable[[FailureRules], object]] = {
    "tried again": lambda rules: rules.retry,
    "collected": lambda rules: rules.collectable == "automatic",
    "still over there": lambda rules: rules.collectable != "never",
    "the generator's fault": lambda rules: rules.kind == "generator",
    "what helps": lambda rules: rules.remedy,
    "for the host": lambda rules: rules.host_alert,
    "not billed": lambda rules: not rules.billed,
}


def calls() -> list[ast.Call]:
    """Every call in the package."""
    nodes = (node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())))
    return [node for node in nodes if isinstance(node, ast.Call)]


def code_of(node: ast.expr) -> Code | None:
    """The code that is written here, `ErrorCode.DAMAGED` say."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ENUMS:
        return ENUMS[node.value.id][node.attr]
    return None


@functools.cache
def raised() -> set[str]:
    """Every code that an error, or a template of failures, of the package has."""
    makers = {*TREE, "FailureTemplate", "failed"}
    made = (call for call in calls() if isinstance(call.func, ast.Name) and call.func.id in makers and call.args)
    return {str(code) for call in made if (code := code_of(call.args[0]))}


def test_error_tree_in_the_docstring_is_complete():
    """Each error stands in the module's drawing, below its parent."""
    drawn = [line.split("─ ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "─ " in line]
    assert sorted(["Image2ModelError", *drawn]) == sorted(TREE)


@pytest.mark.parametrize("decides", DECISIONS.values(), ids=DECISIONS)
def test_codes_with_rules_can_occur(decides):
    """No rule waits for a code that was renamed or is spelt otherwise where it is raised."""
    codes = {str(code) for code, rules in failure_rules().items() if decides(rules)}
    assert codes
    assert codes <= raised()


def test_every_code_is_used():
    """A code that nothing in the package names any more is gone from its enum too."""
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    unused = {
        f"{name}.{code.name}" for name, codes in ENUMS.items() for code in codes if f"{name}.{code.name}" not in source
    }
    assert unused == set()


def test_unknown_code_has_default_rules():
    """A code stored by an older version is not retried, not collected, no fault of the provider, and may be billed."""
    assert rules_of("code_of_an_older_version") == FailureRules(billed=True, collectable="never", retry=None)


def test_two_providers_cannot_mean_different_things_by_one_code(monkeypatch):
    """Two providers with different rules for one code are refused at the start."""
    strange = Provider(lambda settings, workers: [], {"disk_full": FailureRules(retry="timeout")})
    monkeypatch.setattr(providers, "providers", lambda: (strange,))
    with pytest.raises(ValueError, match="disk_full"):
        failure_rules.__wrapped__()
    same = Provider(lambda settings, workers: [], {"disk_full": COMMON_RULES[ErrorCode.DISK_FULL]})
    monkeypatch.setattr(providers, "providers", lambda: (same,))
    assert failure_rules.__wrapped__()["disk_full"] == COMMON_RULES[ErrorCode.DISK_FULL]
