"""Consequences of fal's failures: retries, billing, collecting, remedies, alerts for the host."""

from __future__ import annotations

from collections.abc import Mapping

from ..failure_rules import OTHER_MODEL, RESUBMIT, RETRY, USE_KEY, FailureRules, HostAlert, Remedy
from .failure_messages import FalErrorCode

TOP_UP = Remedy("link", "Top up at fal.ai", "https://fal.ai/dashboard/billing")

RULES: Mapping[str, FailureRules] = {
    FalErrorCode.KEY_REFUSED: FailureRules(
        "account",
        remedy=USE_KEY,
        host_alert=HostAlert("fal refuses the host's key, or does not let it run a model.", "Check FAL_KEY."),
    ),
    FalErrorCode.NO_KEY: FailureRules("account", remedy=USE_KEY),
    FalErrorCode.BALANCE_EXHAUSTED: FailureRules(
        "account",
        remedy=TOP_UP,
        host_alert=HostAlert("The host's fal account has no credit left.", "Top up at fal.ai/dashboard/billing."),
    ),
    FalErrorCode.ACCOUNT_LOCKED: FailureRules(
        "account",
        remedy=TOP_UP,
        host_alert=HostAlert("fal has locked the host's account.", "Ask fal's support why."),
    ),
    FalErrorCode.BUSY: FailureRules("account", retry="rate_limit"),
    FalErrorCode.TEMPORARY: FailureRules("generator", billed=False, retry="temporary"),
    FalErrorCode.TIMEOUT: FailureRules("generator", billed=False, retry="timeout"),
    FalErrorCode.INVALID_RESPONSE: FailureRules("generator", retry="temporary"),
    FalErrorCode.UNREACHABLE: FailureRules("generator", retry="unreachable"),
    FalErrorCode.CONNECTION_LOST: FailureRules("connection", collectable="automatic"),
    FalErrorCode.COLLECT_REFUSED: FailureRules(
        "connection",
        collectable="automatic",
        host_alert=HostAlert(
            "fal does not let the host's key collect what it has paid for.", "Check FAL_KEY. Nothing is lost yet."
        ),
    ),
    FalErrorCode.DOWNLOAD_FAILED: FailureRules("connection", collectable="automatic"),
    FalErrorCode.JOB_ON_OTHER_HOST: FailureRules("connection", collectable="automatic"),
    FalErrorCode.CANCELLED: FailureRules(remedy=RETRY),
    FalErrorCode.RESULT_EXPIRED: FailureRules(remedy=RESUBMIT),
    **dict.fromkeys(
        (
            FalErrorCode.MODEL_UNAVAILABLE, FalErrorCode.RESULT_UNUSABLE, FalErrorCode.RESULT_ON_OTHER_HOST,
            FalErrorCode.NO_GEOMETRY, FalErrorCode.REFUSED,
        ),
        FailureRules(remedy=OTHER_MODEL),
    ),
}  # fmt: skip
"""Rules by fal's codes; a code without an entry has no automatic consequences."""
