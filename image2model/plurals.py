"""Numbers with their nouns."""

from __future__ import annotations


def pluralize(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: `1 hole`, `2,000 holes`, `2 cavities`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
