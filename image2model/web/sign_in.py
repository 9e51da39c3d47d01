"""Sign-in to the page and the generated API (setting APP_USERS)."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from ..errors import ErrorCode, SettingsError

ARGON2_PREFIX = "$argon2"


def password_check(users: SecretStr | None) -> Callable[[str, str], bool] | None:
    """A check of name and password; None if the page is open to everybody.

    Raises SettingsError for what is not `name:password`, without repeating it.
    """
    pairs = dict(pair.partition(":")[::2] for pair in (users.get_secret_value() if users else "").split())
    if not pairs:
        return None
    if not all(name and password for name, password in pairs.items()):
        raise SettingsError(
            ErrorCode.SETTING_WRONG, "APP_USERS has a part that is not name:password.", "Separate by spaces."
        )

    def verify(name: str, password: str) -> bool:
        stored = pairs.get(name)
        if stored is None:
            return False
        if not stored.startswith(ARGON2_PREFIX):
            return hmac.compare_digest(stored.encode(), password.encode())
        try:
            return PasswordHasher().verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    return verify
