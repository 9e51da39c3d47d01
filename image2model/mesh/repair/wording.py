"""Sentences about what a repair changed."""

from __future__ import annotations

from ...plurals import pluralize
from ..topology import Topology

NOTABLE_VOLUME_CHANGE = 0.05
"""Share of the volume from which on a change is mentioned."""


def describe_changes(before: Topology, after: Topology) -> str:
    """Sentences on what uniting the shells changed."""
    shell_count = before.parts + before.cavities
    inverted = "it" if before.inverted_shells == shell_count else pluralize(before.inverted_shells, "piece")
    lost = before.cavities - after.cavities
    changes = {
        f"Turned {inverted} right side out.": before.inverted_shells,
        f"Joined {pluralize(before.parts, 'piece')} into {after.parts:,}.": before.parts > after.parts,
        f"Joined {pluralize(lost, 'cavity', 'cavities')} with what {'it' if lost == 1 else 'they'} touched.": lost > 0,
        (volume := describe_volume_change(before, after)): volume,
    }  # fmt: skip
    return " ".join(sentence for sentence, applies in changes.items() if applies)


def describe_volume_change(before: Topology, after: Topology) -> str:
    """A sentence on the change in volume, where both had one and it is notable."""
    if (
        not (before.is_volume and after.is_volume)
        or abs(after.volume - before.volume) <= NOTABLE_VOLUME_CHANGE * before.volume
    ):
        return ""
    return f"Its volume went from {_format_volume(before.volume)} to {_format_volume(after.volume)}."


def _format_volume(volume: float) -> str:
    return f"{volume / 1000:,.4g} cm³"
