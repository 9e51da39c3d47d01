"""The example on the first screen: a picture and the model that this app made of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import assets

HERO_FOLDER = assets.STATIC / "hero"


@dataclass(frozen=True, slots=True)
class Hero:
    """Addresses of the picture, the model and its poster, and their caption."""

    picture: str
    mesh: str
    poster: str
    shows: str
    caption: str


def example() -> Hero | None:
    """Return the example that ships with the app; None without one."""
    about = HERO_FOLDER / "about.json"
    if not about.is_file():
        return None
    facts = json.loads(about.read_text())
    files = {name: assets.address(f"hero/{facts[name]}") for name in ("picture", "mesh", "poster")}
    return Hero(**files, shows=facts["shows"], caption=facts["caption"])
