"""Root fields that change accounts, sessions and people."""

from __future__ import annotations

from typing import Annotated, cast

import strawberry

from execution.rates import RateLimit
from resolvers import users as resolvers
from schema.fields import Context, argument, mutation
from schema.users.inputs import (
    ChangePasswordInput,
    ChangeUsernameInput,
    RefreshTokenInput,
    RevokeAllSessionsInput,
    RevokeSessionInput,
    SetUserStatusInput,
    SignInInput,
    SignOutInput,
    SignUpInput,
    UpdateProfileInput,
    UserInput,
    profile_changes,
)
from schema.users.notifications import NotificationMutation
from schema.users.presence import PresenceMutation
from schema.users.results import (
    AuthSuccess,
    BlockResult,
    BlockSuccess,
    ChangePasswordResult,
    ChangePasswordSuccess,
    ChangeUsernameResult,
    ChangeUsernameSuccess,
    FollowResult,
    FollowSuccess,
    MuteResult,
    MuteSuccess,
    RefreshTokenResult,
    RevokeAllSessionsResult,
    RevokeAllSessionsSuccess,
    RevokeSessionResult,
    RevokeSessionSuccess,
    SetUserStatusResult,
    SetUserStatusSuccess,
    SignInResult,
    SignOutResult,
    SignOutSuccess,
    SignUpResult,
    UnblockResult,
    UnblockSuccess,
    UnfollowResult,
    UnfollowSuccess,
    UnmuteResult,
    UnmuteSuccess,
    UpdateProfileResult,
    UpdateProfileSuccess,
)
from services.users import people
from services.users.accounts import AccountStatus

SIGN_UP_RATE = RateLimit(limit=10, duration=60)
SIGN_IN_RATE = RateLimit(limit=30, duration=60)
Whom = Annotated[UserInput, argument("Whom you mean.")]


def _auth(given: resolvers.SignedIn) -> AuthSuccess:
    return AuthSuccess(
        access_token=given.access_token,
        refresh_token=given.refresh_token,
        expires_at=given.expires_at,
        user=given.user,
    )


@strawberry.type
class UserMutation(PresenceMutation, NotificationMutation):
    @mutation("Make an account; you are signed in at once.", rate_limit=SIGN_UP_RATE)
    async def sign_up(
        self, info: Context, input: Annotated[SignUpInput, argument("The account.")]
    ) -> SignUpResult:
        return _auth(
            await resolvers.sign_up(
                info.context,
                email=input.email,
                username=input.username,
                password=input.password,
            )
        )

    @mutation("Sign in by e-mail address or username, and password.", rate_limit=SIGN_IN_RATE)
    async def sign_in(
        self, info: Context, input: Annotated[SignInInput, argument("Who you are.")]
    ) -> SignInResult:
        return _auth(
            await resolvers.sign_in(info.context, login=input.login, password=input.password)
        )

    @mutation("Trade a refresh token for a new pair. A second use ends the session.")
    async def refresh_token(
        self, info: Context, input: Annotated[RefreshTokenInput, argument("The token.")]
    ) -> RefreshTokenResult:
        return _auth(await resolvers.refresh_token(info.context, input.refresh_token))

    @mutation("End the session you are in.", authenticated=True)
    async def sign_out(
        self, info: Context, input: Annotated[SignOutInput, argument("What to leave.")]
    ) -> SignOutResult:
        return SignOutSuccess(
            revoked=await resolvers.sign_out(info.context, everywhere=input.everywhere)
        )

    @mutation("End one of your sessions.", authenticated=True)
    async def revoke_session(
        self, info: Context, input: Annotated[RevokeSessionInput, argument("Which to end.")]
    ) -> RevokeSessionResult:
        ended = await resolvers.revoke_session(info.context, input.session_id)
        return RevokeSessionSuccess(session_id=strawberry.ID(ended))

    @mutation("End your sessions, the one that asks spared or not.", authenticated=True)
    async def revoke_all_sessions(
        self, info: Context, input: Annotated[RevokeAllSessionsInput, argument("Which to end.")]
    ) -> RevokeAllSessionsResult:
        return RevokeAllSessionsSuccess(
            revoked=await resolvers.revoke_all_sessions(
                info.context, keep_current=input.keep_current
            )
        )

    @mutation("Change your profile.", authenticated=True)
    async def update_profile(
        self, info: Context, input: Annotated[UpdateProfileInput, argument("The changes.")]
    ) -> UpdateProfileResult:
        changes = profile_changes(input)
        return UpdateProfileSuccess(user=await resolvers.update_profile(info.context, changes))

    @mutation("Take another username.", authenticated=True)
    async def change_username(
        self, info: Context, input: Annotated[ChangeUsernameInput, argument("The new name.")]
    ) -> ChangeUsernameResult:
        return ChangeUsernameSuccess(
            user=await resolvers.change_username(info.context, input.username)
        )

    @mutation(
        "Set a new password; all your other sessions end.",
        authenticated=True,
        rate_limit=SIGN_IN_RATE,
    )
    async def change_password(
        self, info: Context, input: Annotated[ChangePasswordInput, argument("Old and new.")]
    ) -> ChangePasswordResult:
        return ChangePasswordSuccess(
            revoked=await resolvers.change_password(
                info.context, current=input.current_password, new=input.new_password
            )
        )

    @mutation("Suspend, delete or readmit someone; it is audited.", scopes=["user:suspend"])
    async def set_user_status(
        self, info: Context, input: Annotated[SetUserStatusInput, argument("Whom, to what.")]
    ) -> SetUserStatusResult:
        user = await resolvers.set_user_status(
            info.context,
            input.user_id,
            status=cast("AccountStatus", input.status.value),
            reason=input.reason,
        )
        return SetUserStatusSuccess(user=user)

    @mutation("Follow someone.", authenticated=True)
    async def follow(self, info: Context, input: Whom) -> FollowResult:
        return FollowSuccess(
            user=await resolvers.between(info.context, people.follow, input.user_id)
        )

    @mutation("Follow someone no longer.", authenticated=True)
    async def unfollow(self, info: Context, input: Whom) -> UnfollowResult:
        return UnfollowSuccess(
            user=await resolvers.between(info.context, people.unfollow, input.user_id)
        )

    @mutation("Be absent for someone, and they for you.", authenticated=True)
    async def block(self, info: Context, input: Whom) -> BlockResult:
        return BlockSuccess(user=await resolvers.between(info.context, people.block, input.user_id))

    @mutation("Take a block back.", authenticated=True)
    async def unblock(self, info: Context, input: Whom) -> UnblockResult:
        return UnblockSuccess(
            user=await resolvers.between(info.context, people.unblock, input.user_id)
        )

    @mutation("Keep what someone does out of your feeds.", authenticated=True)
    async def mute(self, info: Context, input: Whom) -> MuteResult:
        return MuteSuccess(user=await resolvers.between(info.context, people.mute, input.user_id))

    @mutation("Hear of someone again.", authenticated=True)
    async def unmute(self, info: Context, input: Whom) -> UnmuteResult:
        return UnmuteSuccess(
            user=await resolvers.between(info.context, people.unmute, input.user_id)
        )
