"""Facts of a picture before its generation, and their warnings in words."""

from __future__ import annotations

from dataclasses import dataclass

WARNINGS = {
    "small": "It is very small, so details will be missing. A picture of 512 pixels or more does better.",
    "blurred": "It looks blurred, and so will the model. Take a sharper one if you can.",
    "several_subjects": "There seem to be several things on it. One thing in each picture does better.",
    "no_subject": "Nothing on it stands out as the subject. A clear background behind one thing helps.",
}
"""Warnings by their code, in plain words."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Facts of a picture before its generation."""

    warnings: tuple[str, ...]
    """Codes of WARNINGS."""
    cutout: bytes | None
    """The subject as a small WebP with a transparent background; None where no subject was found."""
    mask: bytes | None = None
    """A WebP in the shape of the whole picture, white and as opaque as each place belongs to the subject."""
