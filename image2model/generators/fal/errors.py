"""What fal's errors mean for a person: one table by fal's error type, one by HTTP status.

A failure's retryable says that the same picture may do better later; what else follows from it is in `RULES`.
Types and statuses: https://docs.fal.ai, "Error reference".
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from fal_client.client import FalClientHTTPError

from ...errors import Code, ErrorCode, GenerationFailed
from .. import failures
from ..failures import (
    OTHER_MODEL,
    RUN_AGAIN,
    TRY_AGAIN,
    USE_KEY,
    FailureRules,
    FailureTemplate,
    HostNotice,
    Remedy,
    RetryRule,
)


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
    JOB_ELSEWHERE = "job_elsewhere"
    KEY_REFUSED = "key_refused"
    LOST_CONTACT = "fal_lost_contact"
    MODEL_FAILED = "model_failed"
    MODEL_UNAVAILABLE = "model_unavailable"
    NO_KEY = "no_key"
    NOTHING_BUILT = "nothing_built"
    ODD_ANSWER = "fal_odd_answer"
    REFUSED = "fal_refused"
    REFUSED_BY_FILTER = "refused_by_filter"
    RESULT_ELSEWHERE = "result_elsewhere"
    RESULT_EXPIRED = "result_expired"
    RESULT_TOO_LARGE = "result_too_large"
    RESULT_UNUSABLE = "result_unusable"
    TEMPORARY = "fal_temporary"
    TIMEOUT = "fal_timeout"
    UNREACHABLE = "fal_unreachable"


TOP_UP = Remedy("link", "Top up at fal.ai", "https://fal.ai/dashboard/billing")
TRY_AGAIN_SOON = "Try again in a few minutes."
TRY_ANOTHER_PICTURE = "Try another picture."
SAVE_ANEW = "Save the picture as PNG or JPEG and try again."

NOTHING_BUILT = FailureTemplate(
    FalErrorCode.NOTHING_BUILT, "The model found nothing to build in this picture.", "Try one with a clear subject."
)
IMAGE_UNREADABLE = FailureTemplate(FalErrorCode.IMAGE_UNREADABLE, "The model could not read this picture.", SAVE_ANEW)
IMAGE_TOO_SMALL = FailureTemplate(
    ErrorCode.IMAGE_TOO_SMALL, "The picture is too small for this model{at_least}.", "Use a larger one."
)
IMAGE_TOO_LARGE = FailureTemplate(
    FalErrorCode.IMAGE_TOO_LARGE, "The picture is too large for this model{at_most}.", "Make it smaller."
)
FILE_TOO_LARGE = FailureTemplate(
    ErrorCode.FILE_TOO_LARGE, "The file is too large for this model{up_to}.", "Make it smaller."
)
OPTION_OUT_OF_RANGE = FailureTemplate(
    ErrorCode.OPTION_OUT_OF_RANGE, "fal does not accept {option}.", "Change the option and try again."
)
TEMPORARY = FailureTemplate(
    FalErrorCode.TEMPORARY, "fal had a passing problem with this picture.", TRY_AGAIN_SOON, True
)
TIMEOUT = FailureTemplate(FalErrorCode.TIMEOUT, "The model took too long with this picture.", TRY_AGAIN_SOON, True)
BUSY = FailureTemplate(FalErrorCode.BUSY, "fal is busy: too many requests at once.", TRY_AGAIN_SOON, True)
CANCELLED = FailureTemplate(
    FalErrorCode.CANCELLED, "The job was cancelled at fal.", "Run it again if you still want it."
)
KEY_REFUSED = FailureTemplate(
    FalErrorCode.KEY_REFUSED, "fal does not accept the key.", "Check the key at fal.ai/dashboard/keys."
)
KEY_NOT_ALLOWED = KEY_REFUSED._replace(message="fal does not let this key run the model.")
BALANCE_EXHAUSTED = FailureTemplate(
    FalErrorCode.BALANCE_EXHAUSTED, "The fal account has no credit left.", "Top up at fal.ai/dashboard/billing."
)
ACCOUNT_LOCKED = FailureTemplate(FalErrorCode.ACCOUNT_LOCKED, "fal has locked the account.", "Ask fal's support why.")
MODEL_UNAVAILABLE = FailureTemplate(
    FalErrorCode.MODEL_UNAVAILABLE, "fal no longer offers {model}.", "Pick another model."
)
REFUSED = FailureTemplate(FalErrorCode.REFUSED, "fal refused the request.", "Try another picture or model.")
ODD_ANSWER = FailureTemplate(FalErrorCode.ODD_ANSWER, "fal gave an answer that makes no sense.", TRY_AGAIN_SOON, True)
UNREACHABLE = FailureTemplate(
    FalErrorCode.UNREACHABLE, "fal could not be reached.", "Check the network and try again.", True
)
UNCONFIRMED = failures.UNCONFIRMED._replace(
    message="The connection broke while the picture was handed over; fal may have taken it."
)
LOST_CONTACT = FailureTemplate(
    FalErrorCode.LOST_CONTACT, "Contact with fal was lost; the job may go on there.", "Try again to collect it.", True
)
COLLECT_REFUSED = FailureTemplate(
    FalErrorCode.COLLECT_REFUSED,
    "fal does not accept the key, so this model cannot be collected yet.",
    "Check FAL_KEY. It is tried again by itself.",
    True,
)
NO_KEY_TO_COLLECT = COLLECT_REFUSED._replace(message="Without its fal key this model cannot be collected yet.")
DOWNLOAD_FAILED = FailureTemplate(
    FalErrorCode.DOWNLOAD_FAILED, "The finished model could not be downloaded.", "Try again to collect it.", True
)
MODEL_FAILED = FailureTemplate(
    FalErrorCode.MODEL_FAILED, "The model failed with this picture.", "Try again; that may cost again.", True
)
RESULT_EXPIRED = FailureTemplate(
    FalErrorCode.RESULT_EXPIRED, "fal no longer keeps this result.", "Run the picture again."
)
RESULT_UNUSABLE = FailureTemplate(
    FalErrorCode.RESULT_UNUSABLE, "The model's result is not a usable GLB file.", "Try another model."
)
RESULT_ELSEWHERE = FailureTemplate(
    FalErrorCode.RESULT_ELSEWHERE, "The result lies outside fal's own storage.", "Try another model."
)
RESULT_TOO_LARGE = FailureTemplate(
    FalErrorCode.RESULT_TOO_LARGE, "The finished model is over {limit}.", "Lower the face limit."
)
JOB_ELSEWHERE = FailureTemplate(
    FalErrorCode.JOB_ELSEWHERE,
    "This job was sent to another address than the one in use.",
    "Check FAL_HOST, or run it again.",
)
OTHER_KEY = JOB_ELSEWHERE._replace(
    message="This job was sent with another fal key than the one in use.", hint="Use that key again, or run it again."
)

RULES: Mapping[str, FailureRules] = {
    FalErrorCode.KEY_REFUSED: FailureRules(
        "account",
        remedy=USE_KEY,
        host_notice=HostNotice("fal refuses the host's key, or does not let it run a model.", "Check FAL_KEY."),
    ),
    FalErrorCode.NO_KEY: FailureRules("account", remedy=USE_KEY),
    FalErrorCode.BALANCE_EXHAUSTED: FailureRules(
        "account",
        remedy=TOP_UP,
        host_notice=HostNotice("The host's fal account has no credit left.", "Top up at fal.ai/dashboard/billing."),
    ),
    FalErrorCode.ACCOUNT_LOCKED: FailureRules(
        "account",
        remedy=TOP_UP,
        host_notice=HostNotice("fal has locked the host's account.", "Ask fal's support why."),
    ),
    FalErrorCode.BUSY: FailureRules("account", retry=RetryRule(60, 900)),
    FalErrorCode.TEMPORARY: FailureRules("generator", billed=False, retry=RetryRule(15, 600)),
    FalErrorCode.TIMEOUT: FailureRules("generator", billed=False, retry=RetryRule(30, 300)),
    FalErrorCode.ODD_ANSWER: FailureRules("generator", retry=RetryRule(15, 600)),
    FalErrorCode.UNREACHABLE: FailureRules("generator", retry=RetryRule(10, 300)),
    FalErrorCode.LOST_CONTACT: FailureRules("contact", collectable="by_itself"),
    FalErrorCode.COLLECT_REFUSED: FailureRules(
        "contact",
        collectable="by_itself",
        host_notice=HostNotice(
            "fal does not let the host's key collect what it has paid for.", "Check FAL_KEY. Nothing is lost yet."
        ),
    ),
    FalErrorCode.DOWNLOAD_FAILED: FailureRules("contact", collectable="by_itself"),
    FalErrorCode.JOB_ELSEWHERE: FailureRules("contact", collectable="by_itself"),
    FalErrorCode.CANCELLED: FailureRules(remedy=TRY_AGAIN),
    FalErrorCode.RESULT_EXPIRED: FailureRules(remedy=RUN_AGAIN),
    **dict.fromkeys(
        (
            FalErrorCode.MODEL_UNAVAILABLE, FalErrorCode.RESULT_UNUSABLE, FalErrorCode.RESULT_ELSEWHERE,
            FalErrorCode.NOTHING_BUILT, FalErrorCode.REFUSED,
        ),
        FailureRules(remedy=OTHER_MODEL),
    ),
}  # fmt: skip
"""What follows from fal's failures; from those that are not here, nothing but what a person does."""

LOCK_REASONS: tuple[tuple[str, FailureTemplate], ...] = (
    ("exhausted balance", BALANCE_EXHAUSTED),
    ("top_up", BALANCE_EXHAUSTED),
    ("locked", ACCOUNT_LOCKED),
    ("admin lock", ACCOUNT_LOCKED),
)
"""What stands in the body of a 403: fal gives it no error type."""

BY_TYPE: Mapping[str, FailureTemplate] = {
    "image_too_small": IMAGE_TOO_SMALL,
    "image_too_large": IMAGE_TOO_LARGE,
    "image_load_error": IMAGE_UNREADABLE,
    "unsupported_image_format": IMAGE_UNREADABLE,
    "file_download_error": IMAGE_UNREADABLE,
    "file_too_large": FILE_TOO_LARGE,
    "content_policy_violation": FailureTemplate(
        FalErrorCode.REFUSED_BY_FILTER, "The model's safety filter refused this picture.", TRY_ANOTHER_PICTURE
    ),
    "no_media_generated": NOTHING_BUILT,
    **dict.fromkeys(
        (
            "greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of", "one_of", "missing",
            "literal_error", "enum", "int_parsing", "int_type", "float_parsing", "bool_parsing", "extra_forbidden",
            "value_error",
        ),
        OPTION_OUT_OF_RANGE,
    ),
    **dict.fromkeys(
        (
            "internal_server_error", "downstream_service_unavailable", "downstream_service_error",
            "runner_scheduling_failure", "runner_connection_timeout", "runner_connection_refused",
            "runner_connection_error", "runner_disconnected", "runner_incomplete_response", "runner_server_error",
            "internal_error",
        ),
        TEMPORARY,
    ),
    **dict.fromkeys(("generation_timeout", "request_timeout", "startup_timeout"), TIMEOUT),
    **dict.fromkeys(("client_cancelled", "client_disconnected"), CANCELLED),
    "concurrent_requests_limit": BUSY,
    "bad_request": REFUSED,
}  # fmt: skip

BY_STATUS: Mapping[int, FailureTemplate] = {
    400: REFUSED,
    401: KEY_REFUSED,
    403: KEY_NOT_ALLOWED,
    408: TEMPORARY,
    409: TEMPORARY,
    413: FILE_TOO_LARGE,
    422: REFUSED,
    429: BUSY,
    499: CANCELLED,
}

UNBILLED_CODES = frozenset(code for code, rules in RULES.items() if not rules.billed)
"""After these a job that was taken costs nothing."""
TRANSIENT_STATUSES = frozenset({408, 409, 429})
"""Statuses that are about the asking, not about the job."""
SUBMIT_ONLY_CODES = frozenset(
    {KEY_REFUSED.code, BALANCE_EXHAUSTED.code, ACCOUNT_LOCKED.code, BUSY.code, ODD_ANSWER.code}
)
"""What a submit or an upload may be told, and the end of a job cannot be."""
NO_DETAILS: list[dict[str, Any]] = [{}]
RETRY_HEADERS = ("x-fal-retryable", "x-fal-needs-retry")
RETRY_VALUES = {"true": True, "1": True, "false": False, "0": False}


def failure_of(response: httpx.Response) -> GenerationFailed:
    """Translate fal's answer (an HTTP error) into what a person is told."""
    details = _details(response)
    by_status = _forbidden(response) if response.status_code == 403 else BY_STATUS.get(response.status_code)
    failure = _by_type(error_type(response)) or by_status or _of_status(response)
    if failure.code in UNBILLED_CODES:
        failure = failure._replace(retryable=_is_retryable(response, failure.retryable))
    return failure.error(retry_after=retry_after(response), **_message_values(details[0]))


def failure_of_result(response: httpx.Response) -> GenerationFailed | None:
    """What an error in place of a result says of the job's end; None where it says nothing for certain.

    Only a failure that fal does not bill, an HTTP 5xx, gets a code that is not billed.
    """
    kind = error_type(response)
    waiting = response.status_code in TRANSIENT_STATUSES or "still in progress" in response.text[:200]
    if waiting or _details(response) is NO_DETAILS or (response.status_code >= 500 and not kind):
        return None
    failure = failure_of(response)
    if failure.code in UNBILLED_CODES and response.status_code < 500:
        return MODEL_FAILED.error()
    return None if failure.code in SUBMIT_ONLY_CODES else failure


def failure_of_type(kind: str | None) -> GenerationFailed:
    """Translate the error type of a status answer that has no result to show for it."""
    failure = _by_type(kind or "") or MODEL_FAILED
    unsure = failure.code in UNBILLED_CODES | SUBMIT_ONLY_CODES
    return (MODEL_FAILED if unsure else failure).error(**_message_values({}))


def failure_of_exception(error: Exception) -> GenerationFailed:
    """Translate what fal-client or httpx raises at an upload, when nothing was submitted yet."""
    if isinstance(error, GenerationFailed):
        return error
    if isinstance(error, FalClientHTTPError | httpx.HTTPStatusError):
        return failure_of(error.response)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL | TimeoutError):
        return UNREACHABLE.error()
    return ODD_ANSWER.error()


def error_type(response: httpx.Response) -> str:
    """fal's type of an error, or an empty string."""
    first = _details(response)[0]
    flat = first.get("error_type") or response.headers.get("x-fal-error-type")
    return str(first.get("type") or flat or "")


def retry_after(response: httpx.Response) -> float | None:
    """Seconds until the server wants to be asked again, where it says so; dates are read by its own clock."""
    said = response.headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        moment = _moment(said)
        if moment is None:
            return None
        seconds = moment - (_moment(response.headers.get("date", "")) or time.time())
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _moment(date: str) -> float | None:
    """An HTTP date in seconds since 1970."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _forbidden(response: httpx.Response) -> FailureTemplate:
    """The reason of a 403."""
    said = response.text[:2000].lower()
    return next((failure for sign, failure in LOCK_REASONS if sign in said), KEY_NOT_ALLOWED)


def _by_type(kind: str) -> FailureTemplate | None:
    return BY_TYPE.get(kind) or (TEMPORARY if kind.startswith("runner_") else None)


def _details(response: httpx.Response) -> list[dict[str, Any]]:
    """The error's entries, at least one; `detail` is a list (model errors) or a string beside `error_type`."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("detail"), str | list):
        return NO_DETAILS
    detail = body["detail"]
    entries = [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []
    return entries or [{"error_type": body.get("error_type")}]


def _of_status(response: httpx.Response) -> FailureTemplate:
    return TEMPORARY if response.status_code >= 500 else ODD_ANSWER


def _is_retryable(response: httpx.Response, usually: bool) -> bool:
    said = (RETRY_VALUES.get(response.headers.get(name, "").lower()) for name in RETRY_HEADERS)
    return next((word for word in said if word is not None), usually)


def _message_values(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What the sentences of the table may name: sizes, and the option at fault."""
    context = detail.get("ctx")
    numbers = context if isinstance(context, Mapping) else {}
    place = detail.get("loc")
    named = [str(part) for part in place if part != "body"] if isinstance(place, list) else []
    megabytes = numbers.get("max_size")
    return {
        "at_least": _size(numbers, "min", "it needs at least"),
        "at_most": _size(numbers, "max", "it takes at most"),
        "up_to": f": it takes at most {megabytes / 1e6:.0f} MB" if isinstance(megabytes, int | float) else "",
        "option": f"the option {named[-1][:40]!r}" if named else "one of the options",
    }


def _size(numbers: Mapping[str, Any], bound: str, words: str) -> str:
    width, height = numbers.get(f"{bound}_width"), numbers.get(f"{bound}_height")
    known = isinstance(width, int) and isinstance(height, int)
    return f": {words} {width} × {height} pixels" if known else ""
