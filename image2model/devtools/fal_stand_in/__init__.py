"""A stand-in for fal.ai that speaks its queue, upload and download protocol over real HTTP.

Start it by hand with `python -m image2model.devtools.fal_stand_in` to try fal's models without paying.
"""

from .files import box_glb, mark
from .schemas import ENDPOINTS, Endpoint, entry, problems
from .script import Fault, Job, Script
from .server import KEY, FalServer, lasts

__all__ = [
    "ENDPOINTS",
    "KEY",
    "Endpoint",
    "FalServer",
    "Fault",
    "Job",
    "Script",
    "box_glb",
    "entry",
    "lasts",
    "mark",
    "problems",
]
