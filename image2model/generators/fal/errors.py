"""Translation of fal's errors into failures: one table by fal's error type, one by HTTP status.

A failure's retryable says that the same picture may do better later; what else follows from it is in failure_rules.py.
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

from ...errors import GenerationFailed
from ..failure_messages import FailureTemplate
from .failure_messages import (
    ACCOUNT_LOCKED,
    BALANCE_EXHAUSTED,
    BUSY,
    CANCELLED,
    FILE_TOO_LARGE,
    IMAGE_TOO_LARGE,
    IMAGE_TOO_SMALL,
    IMAGE_UNREADABLE,
    INVALID_RESPONSE,
    KEY_NOT_ALLOWED,
    KEY_REFUSED,
    MODEL_FAILED,
    NO_GEOMETRY,
    OPTION_OUT_OF_RANGE,
    REFUSED,
    REFUSED_BY_FILTER,
    TEMPORARY,
    TIMEOUT,
    UNREACHABLE,
)
from .failure_rules import RULES

LOCK_REASONS: tuple[tuple[str, FailureTemplate], ...] = (
    ("exhausted balance", BALANCE_EXHAUSTED),
    ("top_up", BALANCE_EXHAUSTED),
    ("locked", ACCOUNT_LOCKED),
    ("admin lock", ACCOUNT_LOCKED),
)
"""Text in the body of a 403, to which fal gives no error type."""

FAILURE_BY_TYPE: Mapping[str, FailureTemplate] = {
    "image_too_small": IMAGE_TOO_SMALL,
    "image_too_large": IMAGE_TOO_LARGE,
    "image_load_error": IMAGE_UNREADABLE,
    "unsupported_image_format": IMAGE_UNREADABLE,
    "file_download_error": IMAGE_UNREADABLE,
    "file_too_large": FILE_TOO_LARGE,
    "content_policy_violation": REFUSED_BY_FILTER,
    "no_media_generated": NO_GEOMETRY,
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

FAILURE_BY_STATUS: Mapping[int, FailureTemplate] = {
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
"""Codes after which a job that was accepted costs nothing."""
TRANSIENT_STATUSES = frozenset({408, 409, 429})
"""Statuses that are about the asking, not about the job."""
SUBMIT_ONLY_CODES = frozenset(
    {KEY_REFUSED.code, BALANCE_EXHAUSTED.code, ACCOUNT_LOCKED.code, BUSY.code, INVALID_RESPONSE.code}
)
"""Codes that only a submit or an upload can get, never a job that was accepted."""
UNKNOWN_DETAILS: list[dict[str, Any]] = [{}]
RETRY_HEADERS = ("x-fal-retryable", "x-fal-needs-retry")
RETRY_VALUES = {"true": True, "1": True, "false": False, "0": False}


def failure_from_response(response: httpx.Response) -> GenerationFailed:
    """Translate fal's answer (an HTTP error) into a message for a person."""
    details = _details(response)
    by_status = (
        _failure_of_403(response) if response.status_code == 403 else FAILURE_BY_STATUS.get(response.status_code)
    )
    failure = _by_type(error_type(response)) or by_status or _fallback_failure(response)
    if failure.code in UNBILLED_CODES:
        failure = failure._replace(retryable=_is_retryable(response, failure.retryable))
    return failure.error(retry_after=retry_after(response), **_message_values(details[0]))


def failure_of_result(response: httpx.Response) -> GenerationFailed | None:
    """Failure that an error in place of a result proves; None where it proves nothing.

    Only a failure that fal does not bill, an HTTP 5xx, gets a code that is not billed.
    """
    kind = error_type(response)
    waiting = response.status_code in TRANSIENT_STATUSES or "still in progress" in response.text[:200]
    if waiting or _details(response) is UNKNOWN_DETAILS or (response.status_code >= 500 and not kind):
        return None
    failure = failure_from_response(response)
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
        return failure_from_response(error.response)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL | TimeoutError):
        return UNREACHABLE.error()
    return INVALID_RESPONSE.error()


def error_type(response: httpx.Response) -> str:
    """fal's type of an error, or an empty string."""
    first = _details(response)[0]
    flat = first.get("error_type") or response.headers.get("x-fal-error-type")
    return str(first.get("type") or flat or "")


def retry_after(response: httpx.Response) -> float | None:
    """Seconds until the server wants to be asked again, where it says so; dates are read by its own clock."""
    header = response.headers.get("retry-after", "")
    try:
        seconds = float(header)
    except ValueError:
        moment = _moment(header)
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


def _failure_of_403(response: httpx.Response) -> FailureTemplate:
    """The reason of a 403."""
    text = response.text[:2000].lower()
    return next((failure for phrase, failure in LOCK_REASONS if phrase in text), KEY_NOT_ALLOWED)


def _by_type(kind: str) -> FailureTemplate | None:
    return FAILURE_BY_TYPE.get(kind) or (TEMPORARY if kind.startswith("runner_") else None)


def _details(response: httpx.Response) -> list[dict[str, Any]]:
    """The error's entries, at least one; `detail` is a list (model errors) or a string beside `error_type`."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("detail"), str | list):
        return UNKNOWN_DETAILS
    detail = body["detail"]
    entries = [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []
    return entries or [{"error_type": body.get("error_type")}]


def _fallback_failure(response: httpx.Response) -> FailureTemplate:
    return TEMPORARY if response.status_code >= 500 else INVALID_RESPONSE


def _is_retryable(response: httpx.Response, usually: bool) -> bool:
    values = (RETRY_VALUES.get(response.headers.get(name, "").lower()) for name in RETRY_HEADERS)
    return next((value for value in values if value is not None), usually)


def _message_values(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the placeholders of the messages: sizes, and the option at fault."""
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


def _size(numbers: Mapping[str, Any], bound: str, text: str) -> str:
    width, height = numbers.get(f"{bound}_width"), numbers.get(f"{bound}_height")
    known = isinstance(width, int) and isinstance(height, int)
    return f": {text} {width} × {height} pixels" if known else ""
