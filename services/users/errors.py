"""What accounts and sessions refuse. Errors alone: no rule stands here."""

from __future__ import annotations

from core.errors import DomainError


class EmailTaken(DomainError):
    """Another account has this e-mail address, whatever the case of its letters."""

    code = "EMAIL_TAKEN"

    def __init__(self) -> None:
        super().__init__("an account with this e-mail address exists")


class UsernameTaken(DomainError):
    """Another account has this username, whatever the case of its letters."""

    code = "USERNAME_TAKEN"

    def __init__(self) -> None:
        super().__init__("this username is taken")


class InvalidCredentials(DomainError):
    """No such account, or not its password: the answer is the same for both."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("the name or the password is not right")


class AccountSuspended(DomainError):
    """The password was right, and a moderator has closed the account for now."""

    code = "ACCOUNT_SUSPENDED"

    def __init__(self) -> None:
        super().__init__("this account is suspended")


class TokenReused(DomainError):
    """A refresh token came a second time: it was copied, so its whole session was revoked."""

    code = "TOKEN_REUSED"

    def __init__(self) -> None:
        super().__init__("this refresh token was used before; sign in again")
