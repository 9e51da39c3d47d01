"""The providers of generators, each a folder beside this file: a new one is a new folder and nothing else.

A provider's package has a `PROVIDER`. The embedded engine, which every installation has, comes first.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from .. import generators
from ..process_pool import Executor
from ..settings import Settings
from .base import Generator
from .failure_rules import COMMON_RULES, FailureRules

FIRST = "local"
UNKNOWN_CODE = FailureRules()


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: its generators as the settings want them, and what follows from the failures that it defines."""

    generators: Callable[[Settings, Executor], Sequence[Generator]]
    failure_rules: Mapping[str, FailureRules]


@cache
def providers() -> tuple[Provider, ...]:
    """All providers, the embedded engine first, then by the folder's name."""
    names = [module.name for module in pkgutil.iter_modules(generators.__path__) if module.ispkg]
    names.sort(key=lambda name: (name != FIRST, name))
    loaded: list[Provider] = [import_module(f"{generators.__name__}.{name}").PROVIDER for name in names]
    return tuple(loaded)


def all_generators(settings: Settings, workers: Executor) -> list[Generator]:
    """Every generator on offer, the host's keys used where there are any."""
    return [generator for provider in providers() for generator in provider.generators(settings, workers)]


@cache
def failure_rules() -> Mapping[str, FailureRules]:
    """Rules by code of all providers; raises ValueError where two of them mean different things by one."""
    known: dict[str, FailureRules] = dict(COMMON_RULES)
    for rules in (provider.failure_rules for provider in providers()):
        if strange := [code for code in rules if known.get(code, rules[code]) != rules[code]]:
            raise ValueError(f"these codes of failures have other rules already: {', '.join(strange)}")
        known |= rules
    return known


def rules_of(code: str) -> FailureRules:
    """Rules of a failure with this code, which may have been stored by an older version."""
    return failure_rules().get(code, UNKNOWN_CODE)
