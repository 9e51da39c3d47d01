"""Idempotency keys: the same request, sent again within a day, finds its batch instead of buying a second one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from ...errors import Conflict, ErrorCode
from ...units import DAY
from .schema import submissions


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that may be repeated."""

    key: str
    """Pseudonym of the caller and of the key that the caller gave."""
    fingerprint: str
    """Hash of everything that was asked for."""


def find_submission(connection: Connection, submission: Submission, now: float) -> str | None:
    """The id of the batch that this request has made within a day; raises Conflict where the key made another one."""
    found = connection.execute(
        select(submissions).where(submissions.c.key == submission.key, submissions.c.at > now - DAY)
    ).one_or_none()
    if found is None:
        return None
    if found.fingerprint != submission.fingerprint:
        raise Conflict(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "This idempotency key was used for another request within a day, so nothing was started.",
            "Take a new key for new work; repeat the same request to get its batch.",
        )
    return str(found.batch_id)


def store_submission(connection: Connection, submission: Submission, batch_id: str, now: float) -> None:
    """Remember the request for a day; raises IntegrityError where the same one is being stored at the same time."""
    connection.execute(delete(submissions).where(submissions.c.at <= now - DAY))
    connection.execute(
        insert(submissions).values(key=submission.key, fingerprint=submission.fingerprint, batch_id=batch_id, at=now)
    )
