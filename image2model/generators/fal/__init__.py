"""fal.ai's image-to-3D models as generators."""

from .account import RESULT_KEPT_SECONDS, FalAccount
from .errors import NOT_BILLED, STILL_AT_FAL
from .generator import FalGenerator, fal_generators
from .hosts import FalHosts
from .polling import Patience

__all__ = [
    "NOT_BILLED",
    "RESULT_KEPT_SECONDS",
    "STILL_AT_FAL",
    "FalAccount",
    "FalGenerator",
    "FalHosts",
    "Patience",
    "fal_generators",
]
