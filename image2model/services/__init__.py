"""The use cases. The page, REST and the generated API call this and nothing below it."""

from ..jobs.records import Batch
from ..jobs.storage.archive import Stream
from ..jobs.views import BatchView, Cost, JobView
from .admin import Host
from .exports import ExportService, archive_name
from .intake import BY_NAME, Picture, together
from .requests import ANYBODY, Caller, SubmitRequest
from .results import Served
from .studio import Studio

__all__ = [
    "ANYBODY",
    "BY_NAME",
    "Batch",
    "BatchView",
    "Caller",
    "Cost",
    "ExportService",
    "Host",
    "JobView",
    "Picture",
    "Served",
    "Stream",
    "Studio",
    "SubmitRequest",
    "archive_name",
    "together",
]
