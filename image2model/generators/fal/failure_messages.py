"""Texts of a job that failed at fal: a sentence and the next step for each failure."""

from __future__ import annotations

from ...errors import Code, ErrorCode
from .. import failure_messages
from ..failure_messages import FailureTemplate


class FalErrorCode(Code):
    """The codes of fal's generators."""

    ACCOUNT_LOCKED = "account_locked"
    BALANCE_EXHAUSTED = "balance_exhausted"
    BUSY = "fal_busy"
    CANCELLED = "cancelled_at_fal"
    COLLECT_REFUSED = "collect_refused"
    DOWNLOAD_FAILED = "download_failed"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_UNREADABLE = "image_unreadable"
    JOB_ON_OTHER_HOST = "job_elsewhere"
    KEY_REFUSED = "key_refused"
    CONNECTION_LOST = "fal_lost_contact"
    MODEL_FAILED = "model_failed"
    MODEL_UNAVAILABLE = "model_unavailable"
    NO_KEY = "no_key"
    NO_GEOMETRY = "nothing_built"
    INVALID_RESPONSE = "fal_odd_answer"
    REFUSED = "fal_refused"
    REFUSED_BY_FILTER = "refused_by_filter"
    RESULT_ON_OTHER_HOST = "result_elsewhere"
    RESULT_EXPIRED = "result_expired"
    RESULT_TOO_LARGE = "result_too_large"
    RESULT_UNUSABLE = "result_unusable"
    TEMPORARY = "fal_temporary"
    TIMEOUT = "fal_timeout"
    UNREACHABLE = "fal_unreachable"


TRY_AGAIN_SOON = "Try again in a few minutes."
SAVE_ANEW = "Save the picture as PNG or JPEG and try again."

NO_GEOMETRY = FailureTemplate(
    FalErrorCode.NO_GEOMETRY, "The generator found nothing to build in this picture.", "Try one with a clear subject."
)
IMAGE_UNREADABLE = FailureTemplate(
    FalErrorCode.IMAGE_UNREADABLE, "The generator could not read this picture.", SAVE_ANEW
)
IMAGE_TOO_SMALL = FailureTemplate(
    ErrorCode.IMAGE_TOO_SMALL, "The picture is too small for this generator{at_least}.", "Use a larger one."
)
IMAGE_TOO_LARGE = FailureTemplate(
    FalErrorCode.IMAGE_TOO_LARGE, "The picture is too large for this generator{at_most}.", "Make it smaller."
)
FILE_TOO_LARGE = FailureTemplate(
    ErrorCode.FILE_TOO_LARGE, "The file is too large for this generator{up_to}.", "Make it smaller."
)
OPTION_OUT_OF_RANGE = FailureTemplate(
    ErrorCode.OPTION_OUT_OF_RANGE, "fal does not accept {option}.", "Change the option and try again."
)
TEMPORARY = FailureTemplate(
    FalErrorCode.TEMPORARY, "fal had a passing problem with this picture.", TRY_AGAIN_SOON, True
)
TIMEOUT = FailureTemplate(FalErrorCode.TIMEOUT, "The generator took too long with this picture.", TRY_AGAIN_SOON, True)
BUSY = FailureTemplate(FalErrorCode.BUSY, "fal is busy: too many requests at once.", TRY_AGAIN_SOON, True)
CANCELLED = FailureTemplate(
    FalErrorCode.CANCELLED, "The job was cancelled at fal.", "Run it again if you still want it."
)
KEY_REFUSED = FailureTemplate(
    FalErrorCode.KEY_REFUSED, "fal does not accept the key.", "Check the key at fal.ai/dashboard/keys."
)
KEY_NOT_ALLOWED = KEY_REFUSED._replace(message="fal does not let this key use the generator.")
BALANCE_EXHAUSTED = FailureTemplate(
    FalErrorCode.BALANCE_EXHAUSTED, "The fal account has no credit left.", "Top up at fal.ai/dashboard/billing."
)
ACCOUNT_LOCKED = FailureTemplate(FalErrorCode.ACCOUNT_LOCKED, "fal has locked the account.", "Ask fal's support why.")
MODEL_UNAVAILABLE = FailureTemplate(
    FalErrorCode.MODEL_UNAVAILABLE, "fal no longer offers {model}.", "Choose another generator."
)
REFUSED = FailureTemplate(FalErrorCode.REFUSED, "fal refused the request.", "Try another picture or generator.")
REFUSED_BY_FILTER = FailureTemplate(
    FalErrorCode.REFUSED_BY_FILTER, "The generator's safety filter refused this picture.", "Try another picture."
)
INVALID_RESPONSE = FailureTemplate(
    FalErrorCode.INVALID_RESPONSE, "fal gave an answer that makes no sense.", TRY_AGAIN_SOON, True
)
UNREACHABLE = FailureTemplate(
    FalErrorCode.UNREACHABLE, "fal could not be reached.", "Check the network and try again.", True
)
UNCONFIRMED = failure_messages.UNCONFIRMED._replace(
    message="The connection broke while the picture was handed over; fal may have taken it."
)
CONNECTION_LOST = FailureTemplate(
    FalErrorCode.CONNECTION_LOST,
    "Contact with fal was lost; the job may go on there.",
    "Try again to collect it.",
    True,
)
COLLECT_REFUSED = FailureTemplate(
    FalErrorCode.COLLECT_REFUSED,
    "fal does not accept the key, so this model cannot be collected yet.",
    "Check FAL_KEY. It is tried again by itself.",
    True,
)
NO_KEY_TO_COLLECT = COLLECT_REFUSED._replace(message="Without its fal key this model cannot be collected yet.")
NO_KEY = FailureTemplate(
    FalErrorCode.NO_KEY,
    "{model} cannot be used without a key.",
    "Needs a fal.ai key: get one at fal.ai/dashboard/keys and set it as FAL_KEY.",
)
DOWNLOAD_FAILED = FailureTemplate(
    FalErrorCode.DOWNLOAD_FAILED, "The finished model could not be downloaded.", "Try again to collect it.", True
)
MODEL_FAILED = FailureTemplate(
    FalErrorCode.MODEL_FAILED, "The generator failed with this picture.", "Try again; that may cost again.", True
)
RESULT_EXPIRED = FailureTemplate(
    FalErrorCode.RESULT_EXPIRED, "fal no longer keeps this result.", "Run the picture again."
)
RESULT_UNUSABLE = FailureTemplate(
    FalErrorCode.RESULT_UNUSABLE, "The generator's result is not a usable GLB file.", "Try another generator."
)
RESULT_ON_OTHER_HOST = FailureTemplate(
    FalErrorCode.RESULT_ON_OTHER_HOST, "The result lies outside fal's own storage.", "Try another generator."
)
RESULT_TOO_LARGE = FailureTemplate(
    FalErrorCode.RESULT_TOO_LARGE, "The finished model is over {limit}.", "Lower the face limit."
)
JOB_ON_OTHER_HOST = FailureTemplate(
    FalErrorCode.JOB_ON_OTHER_HOST,
    "This job was sent to another address than the one in use.",
    "Check FAL_HOST, or run it again.",
)
OTHER_KEY = JOB_ON_OTHER_HOST._replace(
    message="This job was sent with another fal key than the one in use.", hint="Use that key again, or run it again."
)
