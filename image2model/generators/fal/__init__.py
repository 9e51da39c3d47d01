"""fal.ai's image-to-3D models as generators."""

from .account import FalAccount
from .failures import STILL_AT_FAL
from .generator import FalGenerator, fal_generators
from .hosts import FalHosts

__all__ = ["STILL_AT_FAL", "FalAccount", "FalGenerator", "FalHosts", "fal_generators"]
