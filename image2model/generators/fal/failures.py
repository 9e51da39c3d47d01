"""What fal's errors mean for a person: one table by fal's error type, one by HTTP status.

A failure's retryable says that the same picture may do better later. `STILL_AT_FAL` lists the codes after which
the submitted job should be collected again with what `Submitted` stored, never submitted anew.
Types and statuses: https://docs.fal.ai, "Error reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
from fal_client.client import FalClientHTTPError

from ...errors import GenerationFailed


class Failure(NamedTuple):
    """A stable code, a sentence for a person, the next step, and whether trying again can help."""

    code: str
    message: str
    hint: str
    retryable: bool = False

    def error(self, **facts: object) -> GenerationFailed:
        """Return the exception, its sentences completed with `facts`."""
        return GenerationFailed(
            self.code, self.message.format(**facts), self.hint.format(**facts), retryable=self.retryable
        )


TRY_AGAIN_SOON = "Try again in a few minutes."
TRY_ANOTHER_PICTURE = "Try another picture."
SAVE_ANEW = "Save the picture as PNG or JPEG and try again."

NO_MESH = Failure("nothing_built", "The model found nothing to build in this picture.", "Try one with a clear subject.")
UNREADABLE = Failure("image_unreadable", "The model could not read this picture.", SAVE_ANEW)
TOO_SMALL = Failure("image_too_small", "The picture is too small for this model{at_least}.", "Use a larger one.")
TOO_LARGE = Failure("image_too_large", "The picture is too large for this model{at_most}.", "Make it smaller.")
FILE_TOO_LARGE = Failure("file_too_large", "The file is too large for this model{up_to}.", "Make it smaller.")
WRONG_OPTION = Failure("option_out_of_range", "fal does not accept {option}.", "Change the option and try again.")
TEMPORARY = Failure("fal_temporary", "fal had a passing problem with this picture.", TRY_AGAIN_SOON, True)
TOO_LONG = Failure("fal_timeout", "The model took too long with this picture.", TRY_AGAIN_SOON, True)
BUSY = Failure("fal_busy", "fal is busy: too many requests at once.", TRY_AGAIN_SOON, True)
CANCELLED = Failure("cancelled_at_fal", "The job was cancelled at fal.", "Run it again if you still want it.")
BAD_KEY = Failure("key_refused", "fal does not accept the key.", "Check FAL_KEY: fal.ai/dashboard/keys.")
LOCKED = Failure(
    "account_locked",
    "fal has locked the account, most often for want of credit.",
    "Top up at fal.ai/dashboard/billing.",
)
MODEL_GONE = Failure("model_unavailable", "fal no longer offers {model}.", "Pick another model.")
REFUSED = Failure("fal_refused", "fal refused the request.", "Try another picture or model.")
ODD_ANSWER = Failure("fal_odd_answer", "fal gave an answer that makes no sense.", TRY_AGAIN_SOON, True)
UNREACHABLE = Failure("fal_unreachable", "fal could not be reached.", "Check the network and try again.", True)
UNCONFIRMED = Failure(
    "unconfirmed",
    "The connection broke while the picture was handed over; fal may have taken it.",
    "Running it again may cost again.",
)
LOST_CONTACT = Failure(
    "fal_lost_contact", "Contact with fal was lost; the job may go on there.", "Try again to collect it.", True
)
DOWNLOAD_BROKE = Failure(
    "download_failed", "The finished model could not be downloaded.", "Try again to collect it.", True
)
RESULT_GONE = Failure("result_expired", "fal no longer keeps this result.", "Run the picture again.")
RESULT_WRONG = Failure("result_unusable", "The model's result is not a usable GLB file.", "Try another model.")
RESULT_ELSEWHERE = Failure("result_elsewhere", "The result lies outside fal's own storage.", "Try another model.")
RESULT_TOO_LARGE = Failure("result_too_large", "The finished model is over {limit}.", "Lower the face limit.")
WRONG_PLACE = Failure(
    "job_elsewhere", "This job was sent to another address than the one in use.", "Check FAL_HOST, or run it again."
)

STILL_AT_FAL = frozenset({LOST_CONTACT.code, DOWNLOAD_BROKE.code, WRONG_PLACE.code})
NOT_BILLED = frozenset({TEMPORARY.code, TOO_LONG.code})
"""After these a job that was taken costs nothing."""

BY_TYPE: Mapping[str, Failure] = {
    "image_too_small": TOO_SMALL,
    "image_too_large": TOO_LARGE,
    "image_load_error": UNREADABLE,
    "unsupported_image_format": UNREADABLE,
    "file_download_error": UNREADABLE,
    "file_too_large": FILE_TOO_LARGE,
    "content_policy_violation": Failure(
        "refused_by_filter", "The model's safety filter refused this picture.", TRY_ANOTHER_PICTURE
    ),
    "no_media_generated": NO_MESH,
    **dict.fromkeys(
        (
            "greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of", "one_of", "missing",
            "literal_error", "enum", "int_parsing", "int_type", "float_parsing", "bool_parsing", "extra_forbidden",
            "value_error",
        ),
        WRONG_OPTION,
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
    **dict.fromkeys(("generation_timeout", "request_timeout", "startup_timeout"), TOO_LONG),
    **dict.fromkeys(("client_cancelled", "client_disconnected"), CANCELLED),
    "concurrent_requests_limit": BUSY,
    "bad_request": REFUSED,
}  # fmt: skip

BY_STATUS: Mapping[int, Failure] = {
    400: REFUSED,
    401: BAD_KEY,
    403: LOCKED,
    404: RESULT_GONE,
    408: TEMPORARY,
    409: TEMPORARY,
    410: RESULT_GONE,
    413: FILE_TOO_LARGE,
    422: REFUSED,
    429: BUSY,
    499: CANCELLED,
    504: TOO_LONG,
}

NO_DETAILS: list[dict[str, Any]] = [{}]
RETRY_HEADERS = ("x-fal-retryable", "x-fal-needs-retry")
RETRY_WORDS = {"true": True, "1": True, "false": False, "0": False}


def failure_of(response: httpx.Response) -> GenerationFailed:
    """Translate fal's answer (an HTTP error) into what a person is told."""
    details = _details(response)
    flat_type = details[0].get("error_type") or response.headers.get("x-fal-error-type")
    kind = str(details[0].get("type") or flat_type or "")
    failure = BY_TYPE.get(kind) or _of_family(kind) or BY_STATUS.get(response.status_code) or _of_status(response)
    if failure.code in (TEMPORARY.code, TOO_LONG.code):
        failure = failure._replace(retryable=_says_retry(response, failure.retryable))
    return failure.error(**_facts(details[0]))


def failure_of_type(error_type: str | None) -> GenerationFailed:
    """Translate the error type of a status answer that has no result to show for it."""
    kind = error_type or ""
    return (BY_TYPE.get(kind) or _of_family(kind) or TEMPORARY).error(**_facts({}))


def failure_of_exception(error: Exception, otherwise: Failure) -> GenerationFailed:
    """Translate anything that fal-client or httpx raises; `otherwise` is said of a broken connection."""
    if isinstance(error, GenerationFailed):
        return error
    if isinstance(error, FalClientHTTPError | httpx.HTTPStatusError):
        return failure_of(error.response)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError | TimeoutError):
        return otherwise.error()
    return ODD_ANSWER.error()


def speaks_of_the_job(response: httpx.Response) -> bool:
    """Whether an error tells the job's fate, and not just that fal or a gateway is in trouble for the moment."""
    if response.status_code in (408, 409, 429) or "still in progress" in response.text[:200]:
        return False
    return response.status_code < 500 or _details(response) != NO_DETAILS


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


def _of_family(kind: str) -> Failure | None:
    return TEMPORARY if kind.startswith("runner_") else None


def _of_status(response: httpx.Response) -> Failure:
    return TEMPORARY if response.status_code >= 500 else ODD_ANSWER


def _says_retry(response: httpx.Response, usually: bool) -> bool:
    said = (RETRY_WORDS.get(response.headers.get(name, "").lower()) for name in RETRY_HEADERS)
    return next((word for word in said if word is not None), usually)


def _facts(detail: Mapping[str, Any]) -> dict[str, str]:
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
