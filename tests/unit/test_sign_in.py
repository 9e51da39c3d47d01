"""Signing in: plain and hashed passwords, and settings that are none."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from image2model.errors import SettingsError
from image2model.web.sign_in import password_check


def test_page_without_users_is_open():
    """No setting, or an empty one, asks for no sign-in."""
    assert password_check(None) is None
    assert password_check(SecretStr("  ")) is None


def test_plain_and_hashed_passwords_fit():
    """The right password fits in both forms; a wrong one, a wrong name and the hash itself do not."""
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("s3cret")
    fits = password_check(SecretStr(f"ann:plain:with-colon bob:{hashed}"))
    assert fits("ann", "plain:with-colon")
    assert fits("bob", "s3cret")
    assert not any((fits("ann", "s3cret"), fits("bob", "wrong"), fits("bob", hashed), fits("eve", "s3cret")))


def test_a_pair_without_a_password_stops_the_start():
    """The error names the setting and does not repeat what it holds."""
    with pytest.raises(SettingsError, match="APP_USERS") as caught:
        password_check(SecretStr("ann:hunter2 bob"))
    assert "hunter2" not in str(caught.value)
    assert "bob" not in str(caught.value)
