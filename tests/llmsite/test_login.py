"""The admin's accounts: wrong passwords are limited, weak ones refused, sessions end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from tests.llmsite.test_intake import browser

PASSWORD = "eleven purple lamps"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """A million rounds for each attempt are for those who steal the database."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
async def account(transactional_db: None) -> None:
    await sync_to_async(get_user_model().objects.create_superuser)("owner", password=PASSWORD)


async def log_in(password: str, address: str = "192.168.1.7", username: str = "owner", **headers: str) -> Any:
    async with browser(address, **headers) as visitor:
        token = (await visitor.get(LOGIN)).cookies["csrftoken"]
        return await visitor.post(LOGIN, data={"username": username, "password": password, "csrfmiddlewaretoken": token})


async def lock(address: str = "192.168.1.7") -> Any:
    return [await log_in("wrong", address) for _ in range(settings.AXES_FAILURE_LIMIT)][-1]


async def test_the_right_password_opens_the_admin_and_sets_a_closed_cookie(account: None) -> None:
    answer = await log_in(PASSWORD)
    assert answer.status_code == 302
    session = next(value for name, value in answer.headers.multi_items() if name == "set-cookie" and value.startswith("sessionid"))
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session
    assert f"Max-Age={12 * 3600}" in session


@pytest.mark.parametrize(("language", "said"), [("en", "Too many wrong passwords"), ("zh", "密码输错次数太多")])
async def test_after_five_wrong_passwords_the_right_one_is_refused_too(account: None, language: str, said: str) -> None:
    assert (await lock()).status_code == 429
    answer = await log_in(PASSWORD, **{"accept-language": language})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "900"
    assert said in answer.text


async def test_it_is_closed_for_that_address_and_that_account_only(account: None) -> None:
    await lock()
    assert (await log_in(PASSWORD, "127.0.0.1")).status_code == 302
    await sync_to_async(get_user_model().objects.create_superuser)("other", password=PASSWORD)
    assert (await log_in(PASSWORD, username="other")).status_code == 302


async def test_it_opens_again_by_itself(account: None) -> None:
    await lock()
    long_ago = timezone.now() - settings.AXES_COOLOFF_TIME - timedelta(seconds=1)
    await AccessAttempt.objects.aupdate(attempt_time=long_ago)
    assert (await log_in(PASSWORD)).status_code == 302


async def test_an_address_that_a_client_makes_up_does_not_help(account: None) -> None:
    for i in range(settings.AXES_FAILURE_LIMIT):
        await log_in("wrong", **{"x-forwarded-for": f"10.0.0.{i}"})
    assert (await log_in(PASSWORD, **{"x-forwarded-for": "10.0.0.99"})).status_code == 429


async def test_no_password_is_stored_with_the_attempts(account: None) -> None:
    await log_in("a secret typed wrong")
    attempt = await AccessAttempt.objects.aget()
    assert "a secret typed wrong" not in " ".join(str(value) for value in vars(attempt).values())


@pytest.mark.parametrize("password", ["short", "password123", "93847561029384", "ownerowner1"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, get_user_model()(username="ownerowner1"))


def test_the_deployment_check_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check", deploy=True, fail_level="WARNING")
    assert "no issues" in capsys.readouterr().out
