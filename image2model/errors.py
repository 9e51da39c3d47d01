"""Everything that can go wrong for a person, as one tree. The messages are shown to people.

Image2ModelError
 ├─ SettingsError        a setting has a value it cannot have
 ├─ ImageRefused         a picture that cannot be used
 │   └─ PicturesRefused  some of several pictures
 ├─ OptionRefused        an option, or a number of pictures, out of its range
 ├─ NotFound             a batch, job, generator or file that is not there
 ├─ NotAllowed           a key is missing or wrong
 ├─ Conflict             not possible in the present state
 ├─ Unavailable          not possible at the moment
 ├─ LimitReached         beyond a limit that the host has set
 ├─ TooLarge             a request with more in it than it may have
 └─ GenerationFailed     a generator could not turn this picture into a mesh
"""

from __future__ import annotations

from typing import ClassVar


class Image2ModelError(Exception):
    """An error with a stable code, a sentence for a person and a next step."""

    http_status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.message, self.hint, self.retryable))


def _rebuild(kind: type[Image2ModelError], code: str, message: str, hint: str, retryable: bool) -> Image2ModelError:
    return kind(code, message, hint, retryable=retryable)


class SettingsError(Image2ModelError):
    """A setting has a value that it cannot have."""


class ImageRefused(Image2ModelError):
    """This picture cannot be used; the message says why, the hint what to do."""

    http_status = 422


class PicturesRefused(ImageRefused):
    """Some of these pictures cannot be used; `details` has the reason of each by its name."""

    def __init__(self, files: list[dict[str, str]]) -> None:
        told = " ".join(f"{one['filename']}: {one['message']}" for one in files)
        super().__init__("pictures_refused", told, "Leave out what cannot be used and send the rest again.")
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
    """Not possible at the moment, for a reason that is ours or the generator's."""

    http_status = 503


class LimitReached(Image2ModelError):
    """Beyond a limit that the host has set; `retry_after` is in seconds, where waiting helps."""

    http_status = 429

    def __init__(self, code: str, message: str, hint: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(code, message, hint)
        self.retry_after = retry_after


class TooLarge(Image2ModelError):
    """A request has more in it than it may have."""

    http_status = 413


class GenerationFailed(Image2ModelError):
    """The generator could not turn this picture into a mesh.

    `retry_after` is the seconds to wait before the next try, where the far side named them.
    """

    http_status = 502

    def __init__(
        self, code: str, message: str, hint: str = "", *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(code, message, hint, retryable=retryable)
        self.retry_after = retry_after
