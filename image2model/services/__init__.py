"""The use cases. The page, REST and the generated API call this and nothing below it."""

from ..jobs.storage.archive import Stream
from .admin import Host
from .exports import ExportService, archive_name
from .intake import BY_NAME, Picture, together
from .picture_checks import NOT_JUDGED
from .results import Served
from .studio import Studio

__all__ = [
    "BY_NAME",
    "NOT_JUDGED",
    "ExportService",
    "Host",
    "Picture",
    "Served",
    "Stream",
    "Studio",
    "archive_name",
    "together",
]
