"""What the users' mutations answer: successes, and the unions with their refusals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from schema.common import Forbidden, InvalidInput, NotFound
from schema.fields import attribute
from schema.users.errors import (
    AccountSuspended,
    EmailTaken,
    InvalidCredentials,
    TokenReused,
    UsernameTaken,
)
from schema.users.types import LazyUser


@strawberry.type(description="You are signed in.")
class AuthSuccess:
    access_token: str = attribute("Send it as `Authorization: Bearer …`. A JWT; short-lived.")
    refresh_token: str = attribute("Trade it by `refreshToken`, once, for the next pair.")
    expires_at: datetime = attribute("When the access token ends.")
    user: LazyUser = attribute("You, signed in.")


@strawberry.type(description="The session, or all of them, ended.")
class SignOutSuccess:
    revoked: int = attribute("How many sessions ended.")


@strawberry.type(description="The session ended.")
class RevokeSessionSuccess:
    session_id: strawberry.ID = attribute("The session that ended.")


@strawberry.type(description="The sessions ended.")
class RevokeAllSessionsSuccess:
    revoked: int = attribute("How many sessions ended.")


@strawberry.type(description="Your profile was changed.")
class UpdateProfileSuccess:
    user: LazyUser = attribute("You, as you are now.")


@strawberry.type(description="Your username was changed.")
class ChangeUsernameSuccess:
    user: LazyUser = attribute("You, as you are now.")


@strawberry.type(description="Your password was changed, and all other sessions ended.")
class ChangePasswordSuccess:
    revoked: int = attribute("How many other sessions ended.")


@strawberry.type(description="The account's status is set.")
class SetUserStatusSuccess:
    user: LazyUser = attribute("The person, as they are now.")


@strawberry.type(description="You follow them.")
class FollowSuccess:
    user: LazyUser = attribute("The other person.")


@strawberry.type(description="You do not follow them.")
class UnfollowSuccess:
    user: LazyUser = attribute("The other person.")


@strawberry.type(description="You are absent for one another. They are not told.")
class BlockSuccess:
    user: LazyUser = attribute("The other person.")


@strawberry.type(description="You do not block them. Follows that ended do not return.")
class UnblockSuccess:
    user: LazyUser = attribute("The other person.")


@strawberry.type(description="What they do stays out of your feeds. They are not told.")
class MuteSuccess:
    user: LazyUser = attribute("The other person.")


@strawberry.type(description="You hear of them.")
class UnmuteSuccess:
    user: LazyUser = attribute("The other person.")


SignUpResult = Annotated[
    AuthSuccess | EmailTaken | UsernameTaken | InvalidInput,
    strawberry.union("SignUpResult", description="What became of signing up."),
]
SignInResult = Annotated[
    AuthSuccess | InvalidCredentials | AccountSuspended,
    strawberry.union("SignInResult", description="What became of signing in."),
]
RefreshTokenResult = Annotated[
    AuthSuccess | TokenReused | AccountSuspended,
    strawberry.union("RefreshTokenResult", description="What became of a refresh token."),
]
SignOutResult = Annotated[
    SignOutSuccess | NotFound,
    strawberry.union("SignOutResult", description="What became of signing out."),
]
RevokeSessionResult = Annotated[
    RevokeSessionSuccess | NotFound,
    strawberry.union("RevokeSessionResult", description="What became of a session."),
]
RevokeAllSessionsResult = Annotated[
    RevokeAllSessionsSuccess | NotFound,
    strawberry.union("RevokeAllSessionsResult", description="What became of the sessions."),
]
UpdateProfileResult = Annotated[
    UpdateProfileSuccess | InvalidInput | NotFound,
    strawberry.union("UpdateProfileResult", description="What became of a profile's changes."),
]
ChangeUsernameResult = Annotated[
    ChangeUsernameSuccess | UsernameTaken | InvalidInput | NotFound,
    strawberry.union("ChangeUsernameResult", description="What became of a new username."),
]
ChangePasswordResult = Annotated[
    ChangePasswordSuccess | InvalidCredentials | InvalidInput | NotFound,
    strawberry.union("ChangePasswordResult", description="What became of a new password."),
]
SetUserStatusResult = Annotated[
    SetUserStatusSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("SetUserStatusResult", description="What became of an account's status."),
]
FollowResult = Annotated[
    FollowSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("FollowResult", description="What became of the wish to follow."),
]
UnfollowResult = Annotated[
    UnfollowSuccess | NotFound | InvalidInput,
    strawberry.union("UnfollowResult", description="What became of the wish not to follow."),
]
BlockResult = Annotated[
    BlockSuccess | NotFound | InvalidInput,
    strawberry.union("BlockResult", description="What became of the wish to block."),
]
UnblockResult = Annotated[
    UnblockSuccess | NotFound | InvalidInput,
    strawberry.union("UnblockResult", description="What became of the wish to unblock."),
]
MuteResult = Annotated[
    MuteSuccess | NotFound | InvalidInput,
    strawberry.union("MuteResult", description="What became of the wish to mute."),
]
UnmuteResult = Annotated[
    UnmuteSuccess | NotFound | InvalidInput,
    strawberry.union("UnmuteResult", description="What became of the wish to unmute."),
]
