"""Input of the writers of all formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import Glb, Scene
from .geometry import vertex_colours
from .solid_colours import SolidColours
from .textures import SimpleMaterial


@dataclass(frozen=True, slots=True)
class WriterInput:
    """A mesh in the units, orientation and place of the file that is to be written."""

    scene: Scene
    glb: Glb
    """Source of its materials."""
    materials: list[SimpleMaterial]
    """Material of each primitive of the scene."""
    stem: str
    """Name of the objects in the file."""
    up: Literal["y", "z"]
    packing: str
    """Compression of a GLB: none, meshopt or draco."""
    solid_colours: SolidColours | None = None
    """Colours that replace the mesh's own, one for each face."""

    def colours(self) -> NDArray[np.uint8] | None:
        """sRGB and alpha (n, 4) at each vertex; None where the scene has no colours."""
        return vertex_colours(self.glb, self.scene)
