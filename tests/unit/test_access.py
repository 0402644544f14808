"""The table of roles and scopes, row by row, written out a second time."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.errors import Unauthenticated
from core.tokens import Claims
from services.users.access import (
    ANONYMOUS_SCOPES,
    GRANTED_ONLY,
    KNOWN_SCOPES,
    ROLES,
    Viewer,
    scopes_of,
    viewer_of,
)

ANONYMOUS = {"content:read", "search:execute"}
USER = ANONYMOUS | {
    "preferences:write",
    "history:read",
    "post:create",
    "comment:create",
    "bid:place",
    "quest:play",
}
MODERATOR = USER | {
    "post:update",
    "post:delete",
    "comment:delete",
    "user:warn",
    "user:suspend",
    "quest:review",
}
ADMIN = MODERATOR | {
    "content:write",
    "admin:users",
    "user:create",
    "user:update",
    "user:delete",
    "system:configure",
    "analytics:view",
}


@pytest.mark.parametrize(
    ("roles", "grants", "scopes"),
    [
        ([], [], USER),
        (["USER"], [], USER),
        (["ARTISAN"], [], USER | {"auction:sell"}),
        (["SPONSOR"], [], USER | {"quest:sponsor"}),
        (["MODERATOR"], [], MODERATOR),
        (["ADMIN"], [], ADMIN),
        (["ARTISAN", "SPONSOR"], [], USER | {"auction:sell", "quest:sponsor"}),
        (["ADMIN", "ARTISAN"], [], ADMIN | {"auction:sell"}),
        ([], ["ledger:mint"], USER | {"ledger:mint"}),
        (["ADMIN"], ["ledger:freeze", "role:grant"], ADMIN | {"ledger:freeze", "role:grant"}),
        ([], ["no:such", "admin:users"], USER | {"admin:users"}),
    ],
)
def test_roles_and_grants_carry_exactly_these_scopes(roles, grants, scopes):
    assert scopes_of(roles, grants) == scopes


def test_nobody_signed_in_may_read_and_search():
    assert ANONYMOUS_SCOPES == ANONYMOUS


def test_no_role_carries_what_only_a_grant_gives():
    assert {"ledger:mint", "ledger:freeze", "role:grant"} == GRANTED_ONLY
    assert not GRANTED_ONLY & scopes_of(ROLES)
    assert scopes_of(ROLES) | GRANTED_ONLY == KNOWN_SCOPES


def test_an_unknown_role_is_a_mistake():
    with pytest.raises(KeyError):
        scopes_of(["EMPEROR"])


def claims(**changes):
    said = {
        "issuer": "mela",
        "audience": "mela",
        "subject": "usr_" + "0" * 31 + "1",
        "session_id": "ses_" + "0" * 31 + "2",
        "token_id": "t",
        "scopes": frozenset({"bid:place"}),
        "tier": "FREE",
        "issued_at": 0,
        "not_before": 0,
        "expires_at": 900,
    }
    return Claims(**(said | changes))


def test_the_viewer_is_what_the_token_says():
    viewer = viewer_of(claims())
    assert viewer == Viewer(
        user_id=UUID(int=1),
        session_id=UUID(int=2),
        token_id="t",
        scopes=frozenset({"bid:place"}),
        tier="FREE",
        expires_at=datetime(1970, 1, 1, 0, 15, tzinfo=UTC),
    )
    assert viewer.has("bid:place")
    assert not viewer.has("admin:users")


@pytest.mark.parametrize("wrong", [{"subject": "auc_" + "0" * 32}, {"session_id": "x"}])
def test_a_token_of_something_else_is_no_viewer(wrong):
    with pytest.raises(Unauthenticated) as refused:
        viewer_of(claims(**wrong))
    assert refused.value.reason == "INVALID"
