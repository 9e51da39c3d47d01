"""The use cases and their types: all that page, REST and API know of jobs, generators and meshes."""

from ..generators.base import POSTPROCESS_FACE_LIMIT, SIDES, GenerationParams, Generator, Option, Side, Spec
from ..images import IMAGE_SUFFIXES
from ..jobs.models import FINISHED, UNSUCCESSFUL, Batch, Job
from ..jobs.storage.archive import ZipStream
from ..jobs.storage.folders import THUMBNAIL_FILE, TURNTABLE_FILE
from ..jobs.views import BatchView, Cost, JobView
from .admin import AdminService
from .container import Services
from .exports import EXPORT_FORMATS, ExportService, archive_name
from .intake import BY_NAME, Picture, group_sides
from .key_attempts import KeyAttempts
from .picture_checks import NOT_INSPECTED
from .requests import ANONYMOUS_CALLER, Caller, SubmitRequest
from .results import ServedFile

__all__ = [
    "ANONYMOUS_CALLER",
    "BY_NAME",
    "EXPORT_FORMATS",
    "FINISHED",
    "IMAGE_SUFFIXES",
    "NOT_INSPECTED",
    "POSTPROCESS_FACE_LIMIT",
    "SIDES",
    "THUMBNAIL_FILE",
    "TURNTABLE_FILE",
    "UNSUCCESSFUL",
    "AdminService",
    "Batch",
    "BatchView",
    "Caller",
    "Cost",
    "ExportService",
    "GenerationParams",
    "Generator",
    "Job",
    "JobView",
    "KeyAttempts",
    "Option",
    "Picture",
    "ServedFile",
    "Services",
    "Side",
    "Spec",
    "SubmitRequest",
    "ZipStream",
    "archive_name",
    "group_sides",
]
