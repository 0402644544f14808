"""What the users' mutations answer instead of success, and the exceptions behind it."""

from __future__ import annotations

import strawberry

from schema.common import Error
from schema.errors import ErrorRow
from services.users import errors


@strawberry.type(description="Another account has this e-mail address.")
class EmailTaken(Error):
    pass


@strawberry.type(description="Another account has this username.")
class UsernameTaken(Error):
    pass


@strawberry.type(description="No account has this login and password. It is not said which.")
class InvalidCredentials(Error):
    pass


@strawberry.type(description="The account is suspended.")
class AccountSuspended(Error):
    pass


@strawberry.type(description="The refresh token was used before; its session has been revoked.")
class TokenReused(Error):
    pass


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(errors.EmailTaken, EmailTaken),
    ErrorRow(errors.UsernameTaken, UsernameTaken),
    ErrorRow(errors.InvalidCredentials, InvalidCredentials),
    ErrorRow(errors.AccountSuspended, AccountSuspended),
    ErrorRow(errors.TokenReused, TokenReused),
)
