"""The use cases. The page, REST and the generated API call this and nothing below it."""

from ..jobs.models import Batch
from ..jobs.storage.archive import Stream
from ..jobs.views import BatchView, Cost, JobView
from .admin import AdminService
from .exports import ExportService, archive_name
from .intake import BY_NAME, Picture, group_views
from .requests import ANYBODY, Caller, SubmitRequest
from .results import ServedFile
from .studio import Studio

__all__ = [
    "ANYBODY",
    "BY_NAME",
    "AdminService",
    "Batch",
    "BatchView",
    "Caller",
    "Cost",
    "ExportService",
    "JobView",
    "Picture",
    "ServedFile",
    "Stream",
    "Studio",
    "SubmitRequest",
    "archive_name",
    "group_views",
]
