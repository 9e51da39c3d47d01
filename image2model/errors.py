"""All errors that people see, as one tree.

Image2ModelError
 ├─ SettingsError        a setting has a value it cannot have
 ├─ ImageRefused         a picture that cannot be used
 │   └─ PicturesRefused  some of several pictures
 ├─ OptionRefused        an option, or a number of pictures, out of its range
 ├─ NotFound             a batch, job, generator or file that does not exist
 ├─ NotAllowed           a key is missing or wrong
 ├─ Conflict             not possible in the present state
 ├─ Unavailable          not possible at the moment
 ├─ LimitReached         beyond a limit that the host has set
 ├─ TooLarge             a request beyond the limits of size
 └─ GenerationFailed     a generator could not turn this picture into a mesh
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """A stable code for programs. A generator's codes are an enum beside its failures; all others are below.

    Codes are stored and sent to programs: their values never change.
    """


class ErrorCode(Code):
    """The codes that do not belong to a single generator."""

    # settings and rights
    SETTING_WRONG = "setting_wrong"
    NOT_AUTHENTICATED = "not_authenticated"
    INVALID_KEY = "invalid_key"
    OTHER_KEY = "other_key"
    OTHER_SITE = "other_site"
    HOST_UNKNOWN = "host_unknown"
    TOO_MANY_TRIES = "too_many_tries"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    PROXY_NOT_TRUSTED = "proxy_not_trusted"
    # pictures
    EMPTY_FILE = "empty_file"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    FULLY_TRANSPARENT = "fully_transparent"
    EXTREME_SHAPE = "extreme_shape"
    TOO_SMALL = "too_small"
    TOO_MANY_PIXELS = "too_many_pixels"
    FILE_TOO_LARGE = "file_too_large"
    URL_REFUSED = "url_refused"
    URL_UNREACHABLE = "url_unreachable"
    REQUEST_TOO_LARGE = "request_too_large"
    UPLOAD_CUT_SHORT = "upload_cut_short"
    NO_IMAGES = "no_images"
    NO_USABLE_IMAGE = "no_usable_image"
    PICTURES_REFUSED = "pictures_refused"
    TOO_MANY_IMAGES = "too_many_images"
    TOO_MANY_UPLOADS = "too_many_uploads"
    INPUT_UNREADABLE = "input_unreadable"
    REQUEST_REFUSED = "request_refused"
    # options and sides
    NUMBER_UNREADABLE = "number_unreadable"
    OPTION_OUT_OF_RANGE = "option_out_of_range"
    OPTION_UNKNOWN = "option_unknown"
    OPTIONS_UNREADABLE = "options_unreadable"
    FORMAT_UNKNOWN = "format_unknown"
    MEASURE_UNKNOWN = "measure_unknown"
    PACKING_UNKNOWN = "packing_unknown"
    PIVOT_UNKNOWN = "pivot_unknown"
    REPAIR_UNKNOWN = "repair_unknown"
    UNIT_UNKNOWN = "unit_unknown"
    UP_UNKNOWN = "up_unknown"
    SIDE_MISSING = "side_missing"
    SIDE_UNKNOWN = "side_unknown"
    SIDES_NOT_TAKEN = "sides_not_taken"
    SIDES_UNREADABLE = "sides_unreadable"
    BAD_HOURS = "bad_hours"
    # missing objects, and wrong states
    BATCH_NOT_FOUND = "batch_not_found"
    JOB_NOT_FOUND = "job_not_found"
    FILE_NOT_FOUND = "file_not_found"
    RANGE_BEYOND_END = "range_beyond_end"
    ENDPOINT_UNKNOWN = "endpoint_unknown"
    GENERATOR_UNKNOWN = "generator_unknown"
    LOG_TYPE_UNKNOWN = "log_type_unknown"
    BATCH_IN_USE = "batch_in_use"
    BATCH_WORKING = "batch_working"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    IDEMPOTENCY_KEY_UNREADABLE = "idempotency_key_unreadable"
    NOT_DONE = "not_done"
    NOTHING_DONE = "nothing_done"
    # limits
    BATCH_TOO_EXPENSIVE = "batch_too_expensive"
    BUDGET_REACHED = "budget_reached"
    TOO_MANY_IMAGES_AN_HOUR = "too_many_images_an_hour"
    # failures and waits of jobs of any generator
    ASKING = "asking"
    DATABASE_UNAVAILABLE = "database_unavailable"
    DISK_FULL = "disk_full"
    GENERATOR_REMOVED = "generator_gone"
    GENERATOR_RESTING = "generator_resting"
    GENERATOR_UNAVAILABLE = "generator_unavailable"
    IMAGE_TOO_SMALL = "image_too_small"
    INTERNAL_ERROR = "internal_error"
    KEY_NEEDED = "key_needed"
    NO_RESULT = "no_result"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    UNCONFIRMED = "unconfirmed"
    # meshes and exports
    NOT_A_GLB = "not_a_glb"
    GLB_BROKEN = "glb_broken"
    GLB_NO_GEOMETRY = "glb_no_geometry"
    GLB_OUTSIDE_FILES = "glb_outside_files"
    GLB_TOO_LARGE = "glb_too_large"
    GLB_TRUNCATED = "glb_truncated"
    CANNOT_DRAW = "cannot_draw"
    EXPORT_FAILED = "export_failed"
    EXPORT_TOO_LARGE = "export_too_large"
    EXPORT_TOO_LONG = "export_too_long"
    MESH_IS_FLAT = "mesh_is_flat"
    NO_HEIGHT = "no_height"
    NO_NEW_SKIN = "no_new_skin"
    USDZ_NOT_INSTALLED = "usdz_not_installed"


DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def is_disk_full(error: BaseException) -> bool:
    """True if a write failed for lack of space: a full disk or quota, or a file system that became read-only."""
    return isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS


class Image2ModelError(Exception):
    """An error with a stable code, a sentence for a person and a next step."""

    http_status: ClassVar[int] = 500

    def __init__(self, code: Code, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.message, self.hint, self.retryable))


def _rebuild(kind: type[Image2ModelError], code: Code, message: str, hint: str, retryable: bool) -> Image2ModelError:
    return kind(code, message, hint, retryable=retryable)


class SettingsError(Image2ModelError):
    """A setting has an invalid value."""


class ImageRefused(Image2ModelError):
    """This picture cannot be used; the message says why, the hint what to do."""

    http_status = 422


class PicturesRefused(ImageRefused):
    """Some of these pictures cannot be used; `details` has the reason of each by its name."""

    def __init__(self, files: list[dict[str, str]]) -> None:
        message = " ".join(f"{file['filename']}: {file['message']}" for file in files)
        super().__init__(ErrorCode.PICTURES_REFUSED, message, "Leave out what cannot be used and send the rest again.")
        self.details = {"files": files}

    def __reduce__(self) -> tuple[object, ...]:
        return (PicturesRefused, (self.details["files"],))


class OptionRefused(Image2ModelError):
    """An option is unknown or out of its range."""

    http_status = 422


class NotFound(Image2ModelError):
    """There is no such batch, job, generator or file."""

    http_status = 404


class NotAllowed(Image2ModelError):
    """A key is missing or wrong."""

    http_status = 403


class Conflict(Image2ModelError):
    """The present state of the batch or job does not allow this."""

    http_status = 409


class Unavailable(Image2ModelError):
    """Not possible at the moment, for a reason of this app or of the generator."""

    http_status = 503


class LimitReached(Image2ModelError):
    """Beyond a limit that the host has set; `retry_after` is in seconds, where waiting helps."""

    http_status = 429

    def __init__(self, code: Code, message: str, hint: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(code, message, hint)
        self.retry_after = retry_after


class TooLarge(Image2ModelError):
    """A request is beyond the limits of size."""

    http_status = 413


class GenerationFailed(Image2ModelError):
    """The generator could not turn this picture into a mesh.

    `retry_after` is the seconds to wait before the next try, where the provider named them.
    """

    http_status = 502

    def __init__(
        self, code: Code, message: str, hint: str = "", *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message, hint, retryable=retryable)
        self.retry_after = retry_after
