"""Who may sign in to the page and the generated API, where the host wants them private."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from ..errors import ErrorCode, SettingsError

HASH = "$argon2"


def sign_in(users: SecretStr | None) -> Callable[[str, str], bool] | None:
    """What decides whether a name and a password fit; None where everybody may come in.

    Raises SettingsError for pairs that are none, without repeating them.
    """
    pairs = dict(pair.partition(":")[::2] for pair in (users.get_secret_value() if users else "").split())
    if not pairs:
        return None
    if not all(name and password for name, password in pairs.items()):
        raise SettingsError(
            ErrorCode.SETTING_WRONG, "APP_USERS has a part that is not name:password.", "Separate by spaces."
        )

    def fits(name: str, password: str) -> bool:
        known = pairs.get(name)
        if known is None:
            return False
        if not known.startswith(HASH):
            return hmac.compare_digest(known.encode(), password.encode())
        try:
            return PasswordHasher().verify(known, password)
        except (VerificationError, InvalidHashError):
            return False

    return fits
