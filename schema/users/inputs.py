"""The inputs of the users' fields, and what they become for the resolvers."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry

from core.errors import BadUserInput, InvalidInput
from core.text import clean_text
from loaders.users import UserFilter
from schema.scalars import URL, code_of
from schema.users.types import ProfileVisibility, UserRole, UserStatus, UserTier
from services.users.profiles import RULES

TEXT_MAX = 100


def described(description: str, **options: Any) -> Any:
    """An input field with its description; `default` makes it optional."""
    return strawberry.field(description=description, **options)


@strawberry.input(description="A new account.")
class SignUpInput:
    email: str = described("Where mail reaches you; 320 characters at most. Shown to nobody.")
    username: str = described("3 to 30 of a-z, A-Z, 0-9 and `_`; unique whatever the case.")
    password: str = described("8 to 128 characters, any of them.")


@strawberry.input(description="Who signs in.")
class SignInInput:
    login: str = described("The e-mail address or the username.")
    password: str = described("The password.")


@strawberry.input(description="A refresh token to trade.")
class RefreshTokenInput:
    refresh_token: str = described("The last one you were given. It can be used once.")


@strawberry.input(description="What to leave.")
class SignOutInput:
    everywhere: bool = described("All your sessions instead of this one.", default=False)


@strawberry.input(description="A session to end.")
class RevokeSessionInput:
    session_id: strawberry.ID = described("One of your own; begins with `ses_`.")


@strawberry.input(description="Which sessions to end.")
class RevokeAllSessionsInput:
    keep_current: bool = described("Spare the session that asks.", default=True)


@strawberry.input(description="A new username.")
class ChangeUsernameInput:
    username: str = described("3 to 30 of a-z, A-Z, 0-9 and `_`; unique whatever the case.")


@strawberry.input(description="A new password.")
class ChangePasswordInput:
    current_password: str = described("The one of now.")
    new_password: str = described("8 to 128 characters, any of them.")


@strawberry.input(description="A change of someone's account.")
class SetUserStatusInput:
    user_id: strawberry.ID = described("Whose account.")
    status: UserStatus = described("What it becomes.")
    reason: str = described("Why, 1 to 500 characters: for the audit log.")


@strawberry.input(description="Someone else.")
class UserInput:
    user_id: strawberry.ID = described("Whom; begins with `usr_`.")


@strawberry.input(description="Changes of your profile: what is not given stays.")
class UpdateProfileInput:
    display_name: strawberry.Maybe[str] = described("1 to 100 characters.")
    avatar_url: strawberry.Maybe[URL | None] = described("A picture; null for none.")
    show_email: strawberry.Maybe[bool] = described("Let others see your e-mail address.")
    bio: strawberry.Maybe[str] = described("2,000 characters at most; may have several lines.")
    banner_url: strawberry.Maybe[URL | None] = described("A wide picture; null for none.")
    location: strawberry.Maybe[str | None] = described("1 to 100 characters; null for none.")
    website: strawberry.Maybe[URL | None] = described("Your own site; null for none.")
    pronouns: strawberry.Maybe[str | None] = described("1 to 40 characters; null for none.")
    time_zone: strawberry.Maybe[str] = described("IANA time zone: `Europe/Paris`.")
    locale: strawberry.Maybe[str] = described("Language tag: `en`, `pt-BR`.")
    region: strawberry.Maybe[str | None] = described("ISO 3166 country code; null for none.")
    social_links: strawberry.Maybe[list[URL]] = described("10 at most.")
    visibility: strawberry.Maybe[ProfileVisibility] = described("Who sees the profile.")
    theme: strawberry.Maybe[str] = described("`system`, `light` or `dark`.")
    accent_colour: strawberry.Maybe[str] = described("`#` and six digits 0-9, a-f.")


def profile_changes(given: UpdateProfileInput) -> dict[str, object | None]:
    """The fields that were given, by their names in the schema, for `update_profile`."""
    changes: dict[str, object | None] = {}
    for name in RULES:
        some = getattr(given, _snake(name))
        if some is not None:
            value = some.value
            changes[name] = value.value if isinstance(value, Enum) else value
    return changes


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


@strawberry.input(description="A span of time.")
class RegisteredInput:
    since: datetime | None = described("From this moment on.", default=None)
    until: datetime | None = described("Before this moment.", default=None)


@strawberry.input(description="Which accounts: all conditions hold together; null means any.")
class UserFilterInput:
    role: UserRole | None = described("Who has this role.", default=None)
    status: UserStatus | None = described("In this state.", default=None)
    tier: UserTier | None = described("Of this tier.", default=None)
    registered: RegisteredInput | None = described("Made in this span.", default=None)
    text: str | None = described(
        "Part of the username, display name or e-mail address, 100 characters at most.",
        default=None,
    )


def user_filter(given: UserFilterInput | None) -> UserFilter:
    """The loader's filter. Raises `BadUserInput` for a text that cannot be looked for."""
    if given is None:
        return UserFilter()
    span = given.registered
    return UserFilter(
        role=None if given.role is None else code_of(given.role),
        status=None if given.status is None else code_of(given.status),
        tier=None if given.tier is None else code_of(given.tier),
        registered_from=None if span is None else span.since,
        registered_to=None if span is None else span.until,
        text=None if given.text is None else searchable(given.text),
    )


def searchable(text: str) -> str:
    """A text to look for. Raises `BadUserInput`: a query has no union to answer with."""
    try:
        return clean_text(text, field="text", minimum=0, maximum=TEXT_MAX)
    except InvalidInput as error:
        raise BadUserInput(error.message) from None
