"""A stand-in for fal.ai that speaks its queue, upload and download protocol over real HTTP.

Start it by hand with `python -m image2model.devtools.fal_stand_in` to try fal's models without paying.
"""

from .files import picture_box_glb, picture_crc
from .schemas import ENDPOINTS, Endpoint, error_entry, problems
from .script import Fault, Job, Script
from .server import KEY, FalServer, run_seconds_of

__all__ = [
    "ENDPOINTS",
    "KEY",
    "Endpoint",
    "FalServer",
    "Fault",
    "Job",
    "Script",
    "error_entry",
    "picture_box_glb",
    "picture_crc",
    "problems",
    "run_seconds_of",
]
