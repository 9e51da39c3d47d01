"""fal.ai's image-to-3D models as generators."""

from ..providers import Provider
from .account import RESULT_KEPT_SECONDS, FalAccount
from .failure_rules import RULES
from .generator import FalGenerator, fal_generators
from .hosts import FalHosts
from .polling import Timeouts

__all__ = [
    "PROVIDER",
    "RESULT_KEPT_SECONDS",
    "FalAccount",
    "FalGenerator",
    "FalHosts",
    "Timeouts",
    "fal_generators",
]

PROVIDER = Provider(
    lambda settings, _workers: fal_generators(settings.fal_credentials, FalHosts.at(settings.fal_host)), RULES
)
