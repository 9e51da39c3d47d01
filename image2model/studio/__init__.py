"""The use cases. The page, REST and the generated API call this and nothing below it."""

from ..batches.archive import Stream
from .host import Host
from .meshes import Meshes, archive_name
from .results import Served
from .studio import Studio, all_generators
from .taking import BY_NAME, Picture, together

__all__ = [
    "BY_NAME",
    "Host",
    "Meshes",
    "Picture",
    "Served",
    "Stream",
    "Studio",
    "all_generators",
    "archive_name",
    "together",
]
