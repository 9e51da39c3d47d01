"""The use cases, and the types that they speak of. The page, REST and the generated API import nothing below this."""

from ..generators.base import POSTPROCESS_FACE_LIMIT, SIDES, Choice, Generator, Option, Side, Spec
from ..images import IMAGE_SUFFIXES
from ..jobs.records import ENDED_BADLY, FINISHED, Batch, Job
from ..jobs.storage.archive import Stream
from ..jobs.views import BatchView, Cost, JobView
from .admin import Host
from .exports import ExportService, archive_name
from .intake import BY_NAME, Picture, together
from .key_attempts import KeyAttempts
from .requests import ANYBODY, Caller, SubmitRequest
from .results import Served
from .studio import Studio

__all__ = [
    "ANYBODY",
    "BY_NAME",
    "ENDED_BADLY",
    "FINISHED",
    "IMAGE_SUFFIXES",
    "POSTPROCESS_FACE_LIMIT",
    "SIDES",
    "Batch",
    "BatchView",
    "Caller",
    "Choice",
    "Cost",
    "ExportService",
    "Generator",
    "Host",
    "Job",
    "JobView",
    "KeyAttempts",
    "Option",
    "Picture",
    "Served",
    "Side",
    "Spec",
    "Stream",
    "Studio",
    "SubmitRequest",
    "archive_name",
    "together",
]
