"""The stand-in for fal, whose keys no log may tell."""

from __future__ import annotations

from typing import Any

from image2model.devtools import fal_stand_in
from image2model.devtools.fal_stand_in import KEY, Script
from tests.support import leaks


class FalServer(fal_stand_in.FalServer):
    """The stand-in; its key is looked for in every log."""

    def __init__(self, script: Script | None = None, *, key: str = KEY, **options: Any) -> None:
        leaks.use(key)
        super().__init__(script, key=key, **options)
