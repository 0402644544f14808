"""Roles, the scopes they carry, and the viewer of a request. Data and pure functions; no SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from core.errors import BadUserInput, Unauthenticated
from core.ids import decode_id, encode_id
from core.tokens import Claims

USER_PREFIX = "usr"
SESSION_PREFIX = "ses"

Role = Literal["ANONYMOUS", "USER", "ARTISAN", "SPONSOR", "MODERATOR", "ADMIN"]


@dataclass(frozen=True, slots=True)
class RoleRow:
    """What a role adds to the one it stands on."""

    stands_on: Role | None
    adds: frozenset[str]


def _row(stands_on: Role | None, adds: str) -> RoleRow:
    return RoleRow(stands_on, frozenset(adds.split()))


ROLES: Mapping[Role, RoleRow] = MappingProxyType(
    {
        "ANONYMOUS": _row(None, "content:read search:execute"),
        "USER": _row(
            "ANONYMOUS",
            "preferences:write history:read post:create comment:create bid:place quest:play",
        ),
        "ARTISAN": _row("USER", "auction:sell"),
        "SPONSOR": _row("USER", "quest:sponsor"),
        "MODERATOR": _row(
            "USER",
            "post:update post:delete comment:delete user:warn user:suspend quest:review",
        ),
        "ADMIN": _row(
            "MODERATOR",
            "content:write admin:users user:create user:update user:delete "
            "system:configure analytics:view",
        ),
    }
)

GRANTED_ONLY = frozenset({"role:grant", "ledger:mint", "ledger:freeze"})
"""Scopes that no role carries: each is given to a person by name."""

KNOWN_SCOPES = GRANTED_ONLY.union(*(row.adds for row in ROLES.values()))


def scopes_of(roles: Iterable[str], grants: Iterable[str] = ()) -> frozenset[str]:
    """All scopes of someone signed in with these roles and grants; USER is everyone's.

    A grant that the table does not know gives nothing. Raises `KeyError` for an unknown role.
    """
    found = set(KNOWN_SCOPES.intersection(grants))
    for role in ("USER", *roles):
        row: RoleRow | None = ROLES[role]  # type: ignore[index]
        while row is not None:
            found |= row.adds
            row = ROLES[row.stands_on] if row.stands_on else None
    return frozenset(found)


ANONYMOUS_SCOPES = ROLES["ANONYMOUS"].adds


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, as their access token says. Nobody signed in is `None`, not a Viewer."""

    user_id: UUID
    session_id: UUID
    token_id: str
    scopes: frozenset[str]
    tier: str
    expires_at: datetime

    def has(self, scope: str) -> bool:
        """Whether the viewer carries `scope`."""
        return scope in self.scopes


def viewer_of(claims: Claims) -> Viewer:
    """The viewer of a verified token. Raises `Unauthenticated("INVALID")` for a foreign subject."""
    try:
        return Viewer(
            user_id=decode_id(claims.subject, USER_PREFIX),
            session_id=decode_id(claims.session_id, SESSION_PREFIX),
            token_id=claims.token_id,
            scopes=claims.scopes,
            tier=claims.tier,
            expires_at=datetime.fromtimestamp(claims.expires_at, UTC),
        )
    except BadUserInput:
        raise Unauthenticated("INVALID", "the access token is not valid") from None


def user_public_id(user_id: UUID) -> str:
    """`usr_…`."""
    return encode_id(USER_PREFIX, user_id)


def session_public_id(session_id: UUID) -> str:
    """`ses_…`."""
    return encode_id(SESSION_PREFIX, session_id)
