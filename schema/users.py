"""The user, and the root fields of accounts, sessions and people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast

import strawberry

from loaders import users as loaders
from models.user_tables import SESSIONS_MAX
from resolvers import users as resolvers
from schema.auctions.types import AuctionUserFields
from schema.common import Connection, Node
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    bounded,
    connected,
    loaded,
    mutation,
    page_size,
    resolved,
)
from schema.scalars import URL
from schema.users_inputs import (
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
    UserFilterInput,
    UserInput,
    profile_changes,
    user_filter,
)
from schema.users_results import (
    ERRORS,
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
from schema.users_types import Profile, Session, UserRole, UserStatus, UserTier
from services.users import people
from services.users.accounts import AccountStatus

__all__ = ["ERRORS", "User", "UserMutation", "UserQuery"]

ROLES_MAX = 5
LazyUser = Annotated["User", strawberry.lazy("schema.users")]
Whom = Annotated[UserInput, argument("Whom.")]


@strawberry.federation.type(keys=["id"], description="A person with an account.")
class User(AuctionUserFields, Node):
    username: str = attribute("Their unique name: letters, digits and `_`.")
    display_name: str = attribute("What they are called; not unique.")
    avatar_url: URL | None = attribute("Their picture.")
    created_at: datetime = attribute("When they signed up.")
    profile: Profile | None = loaded(
        loaders.profile_by_user_id,
        key="id",
        description="What they tell of themselves; null where it is private to you.",
        viewer=True,
    )
    viewer_follows: bool = loaded(
        loaders.viewer_follows_user_id,
        key="id",
        description="Whether you follow them.",
        viewer=True,
    )
    followers: Connection[LazyUser] = connected(
        loaders.followers_by_user_id,
        key="id",
        description="Who follows them, newest first; empty where the profile is private to you.",
        viewer=True,
    )
    following: Connection[LazyUser] = connected(
        loaders.following_by_user_id,
        key="id",
        description="Whom they follow, newest first; empty where the profile is private to you.",
        viewer=True,
    )
    mutuals: Connection[LazyUser] = connected(
        loaders.mutuals_by_user_id,
        key="id",
        description="Whom they follow and who follow them; empty where it is private to you.",
        viewer=True,
    )

    @resolved("For themselves and administrators, or where they show it; else null.", viewer=True)
    async def email(root: strawberry.Parent[Any], info: Context) -> str | None:
        return await resolvers.shown_email(info.context, root)

    @resolved("For themselves, moderators and administrators; else null.", viewer=True)
    def status(root: strawberry.Parent[Any], info: Context) -> UserStatus | None:
        shown = resolvers.is_own(
            info.context, root, resolvers.ADMIN_SCOPE, resolvers.MODERATOR_SCOPE
        )
        return UserStatus(root.status) if shown else None

    @resolved("For themselves and administrators; else null.", viewer=True)
    def tier(root: strawberry.Parent[Any], info: Context) -> UserTier | None:
        shown = resolvers.is_own(info.context, root, resolvers.ADMIN_SCOPE)
        return UserTier(root.tier) if shown else None

    @resolved(
        "For themselves and administrators; else null.",
        viewer=True,
        list_size=bounded(ROLES_MAX),
    )
    async def roles(root: strawberry.Parent[Any], info: Context) -> list[UserRole] | None:
        if not resolvers.is_own(info.context, root, resolvers.ADMIN_SCOPE):
            return None
        held = await info.context.loaders.load(loaders.roles_by_user_id, root.id)
        return [UserRole(role) for role in held]

    @resolved(
        "Where you are signed in, last seen first; null for anyone but yourself.",
        viewer=True,
        list_size=bounded(SESSIONS_MAX),
    )
    async def sessions(root: strawberry.Parent[Any], info: Context) -> list[Session] | None:
        if not resolvers.is_own(info.context, root):
            return None
        key = (root.id, SESSIONS_MAX)
        found: list[Session] = await info.context.loaders.load(loaders.sessions_by_user_id, key)
        return found

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        return isinstance(obj, loaders.USER_ROWS)

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_user(info.context, id)


@strawberry.type
class UserQuery:
    @resolved("You; null where nobody is signed in.", viewer=True)
    async def me(self, info: Context) -> User | None:
        user: User | None = await resolvers.me(info.context)
        return user

    @resolved("Someone, by id or by username; null where there is nobody to see.", viewer=True)
    async def user(
        self,
        info: Context,
        id: Annotated[strawberry.ID | None, argument("Begins with `usr_`.")] = None,
        username: Annotated[str | None, argument("In any case.")] = None,
    ) -> User | None:
        user: User | None = await resolvers.user(info.context, id, username)
        return user

    @resolved("All accounts, the newest first.", scopes=["admin:users"], list_size=page_size())
    async def users(
        self,
        info: Context,
        filter: Annotated[UserFilterInput | None, argument("Which; all if not given.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[User]:
        request = info.context.page_request(loaders.NEWEST_USERS, first, after, last, before)
        page: Connection[User] = await resolvers.users(info.context, user_filter(filter), request)
        return page


def _auth(given: resolvers.SignedIn) -> AuthSuccess:
    return AuthSuccess(
        access_token=given.access_token,
        refresh_token=given.refresh_token,
        expires_at=given.expires_at,
        user=given.user,
    )


@strawberry.type
class UserMutation:
    @mutation("Make an account; you are signed in at once.")
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

    @mutation("Sign in by e-mail address or username, and password.")
    async def sign_in(
        self, info: Context, input: Annotated[SignInInput, argument("Who.")]
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
        self, info: Context, input: Annotated[RevokeSessionInput, argument("Which.")]
    ) -> RevokeSessionResult:
        ended = await resolvers.revoke_session(info.context, input.session_id)
        return RevokeSessionSuccess(session_id=strawberry.ID(ended))

    @mutation("End your sessions, the one that asks spared or not.", authenticated=True)
    async def revoke_all_sessions(
        self, info: Context, input: Annotated[RevokeAllSessionsInput, argument("Which.")]
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
        self, info: Context, input: Annotated[ChangeUsernameInput, argument("The name.")]
    ) -> ChangeUsernameResult:
        return ChangeUsernameSuccess(
            user=await resolvers.change_username(info.context, input.username)
        )

    @mutation("Set a new password; all your other sessions end.", authenticated=True)
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
