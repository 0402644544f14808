"""Accounts and sessions through the schema: what each mutation answers, and who may ask."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import Unauthenticated

SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) {
    __typename
    ... on AuthSuccess { accessToken expiresAt user { email status tier roles } }
    ... on Error { message code }
    ... on InvalidInput { field reason }
  }
}
"""
SIGN_IN = """
mutation ($login: String!, $password: String!) {
  signIn(input: {login: $login, password: $password}) {
    __typename
    ... on AuthSuccess { accessToken refreshToken user { username email } }
    ... on Error { message code }
  }
}
"""
REFRESH = """
mutation ($token: String!) {
  refreshToken(input: {refreshToken: $token}) {
    __typename
    ... on AuthSuccess { accessToken refreshToken user { id } }
    ... on Error { code }
  }
}
"""
SESSIONS = "{ me { sessions { id device address current } } }"
PASSWORD = "correct horse battery"


def account(**changes):
    return {"email": "ada@mela.test", "username": "ada", "password": PASSWORD} | changes


def reason(result):
    return result.errors[0].extensions["details"]["reason"]


async def test_whoever_signs_up_is_signed_in_and_sees_themselves(ask):
    answer = (await ask(SIGN_UP, input=account()))["signUp"]
    assert answer["__typename"] == "AuthSuccess"
    assert answer["user"] == {
        "email": "ada@mela.test",
        "status": "ACTIVE",
        "tier": "FREE",
        "roles": ["USER"],
    }
    expires = datetime.fromisoformat(answer["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < expires <= timedelta(minutes=15)
    payload = answer["accessToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    # Nothing of the person but their id; "ada" alone may stand in the hex digits of one.
    said = re.sub(r"[0-9a-f]{32}", "", json.dumps(claims))
    assert "ada" not in said
    assert "bid:place" in claims["scope"].split()
    me = await ask("{ me { username sessions { current } } }", by=answer["accessToken"])
    assert me == {"me": {"username": "ada", "sessions": [{"current": True}]}}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"email": "ADA@mela.test", "username": "b_2"}, ("EmailTaken", "EMAIL_TAKEN")),
        ({"email": "b@mela.test", "username": "ADA"}, ("UsernameTaken", "USERNAME_TAKEN")),
    ],
)
async def test_what_is_taken_is_said_by_type_and_code(join, ask, changes, answer):
    await join("ada")
    refused = (await ask(SIGN_UP, input=account(**changes)))["signUp"]
    assert (refused["__typename"], refused["code"]) == answer


@pytest.mark.parametrize(
    ("field", "value"), [("email", "nobody"), ("username", "a b"), ("password", "short")]
)
async def test_a_bad_field_is_named(ask, field, value):
    refused = (await ask(SIGN_UP, input=account(**{field: value})))["signUp"]
    assert refused["__typename"] == "InvalidInput"
    assert refused["field"] == field
    assert refused["reason"]


async def test_signing_in_by_either_name_and_by_neither(join, ask):
    await join("ada")
    for login in ("ada", "ADA@mela.test"):
        answer = (await ask(SIGN_IN, login=login, password=PASSWORD))["signIn"]
        assert answer["user"] == {"username": "ada", "email": "ada@mela.test"}
    wrong = await ask(SIGN_IN, login="ada", password="not it at all")
    unknown = await ask(SIGN_IN, login="nobody", password="not it at all")
    assert wrong == unknown
    assert wrong["signIn"]["code"] == "INVALID_CREDENTIALS"


async def test_too_many_tries_are_a_top_level_error(join, ask, run):
    await join("ada")
    for _ in range(10):
        await ask(SIGN_IN, login="ada", password="not it at all")
    limited = await run(SIGN_IN, login="ada", password=PASSWORD)
    assert limited.errors[0].extensions["code"] == "RATE_LIMITED"
    assert 890 <= limited.errors[0].extensions["details"]["retryAfter"] <= 900


async def test_a_refresh_token_is_traded_once_and_a_copy_ends_the_session(join, ask, run):
    ada = await join("ada")
    first = (await ask(REFRESH, token=ada.refresh))["refreshToken"]
    assert first["user"] == {"id": ada.id}
    again = (await ask(REFRESH, token=ada.refresh))["refreshToken"]
    assert again == {"__typename": "TokenReused", "code": "TOKEN_REUSED"}
    for token in (ada.token, first["accessToken"]):
        with pytest.raises(Unauthenticated) as refused:
            await run("{ me { id } }", by=token)
        assert refused.value.reason == "REVOKED"
    assert reason(await run(REFRESH, token=first["refreshToken"])) == "REVOKED"
    assert reason(await run(REFRESH, token="nonsense")) == "INVALID"


async def test_sessions_are_listed_to_their_owner_and_revoked_one_by_one_or_all(join, ask, run):
    ada, bob = await join("ada"), await join("bob")
    others = [(await ask(SIGN_IN, login="ada", password=PASSWORD))["signIn"] for _ in range(3)]
    listed = (await ask(SESSIONS, by=ada.token))["me"]["sessions"]
    assert len(listed) == 4
    assert listed[-1]["current"]
    assert listed[0] | {"id": ""} == {
        "id": "",
        "device": "tests/1",
        "address": "192.0.2.1",
        "current": False,
    }
    revoke = """
    mutation ($id: ID!) {
      revokeSession(input: {sessionId: $id}) {
        ... on RevokeSessionSuccess { sessionId }
        ... on NotFound { what }
      }
    }
    """
    newest = listed[0]["id"]
    theirs = await ask(revoke, by=bob.token, id=newest)
    assert theirs == {"revokeSession": {"what": "session"}}
    mine = await ask(revoke, by=ada.token, id=newest)
    assert mine == {"revokeSession": {"sessionId": newest}}
    with pytest.raises(Unauthenticated):
        await run(SESSIONS, by=others[2]["accessToken"])
    every = """
    mutation { revokeAllSessions(input: {}) {
      ... on RevokeAllSessionsSuccess { revoked } ... on NotFound { what } } }
    """
    assert await ask(every, by=ada.token) == {"revokeAllSessions": {"revoked": 2}}
    assert await ask(every, by=ada.token) == {"revokeAllSessions": {"what": "session"}}
    assert len((await ask(SESSIONS, by=ada.token))["me"]["sessions"]) == 1


@pytest.mark.parametrize(("everywhere", "ended"), [("false", 1), ("true", 2)])
async def test_signing_out_ends_this_session_or_all(join, ask, run, everywhere, ended):
    ada = await join("ada")
    other = (await ask(SIGN_IN, login="ada", password=PASSWORD))["signIn"]
    out = f"""
    mutation {{ signOut(input: {{everywhere: {everywhere}}}) {{
      ... on SignOutSuccess {{ revoked }} }} }}
    """
    assert await ask(out, by=ada.token) == {"signOut": {"revoked": ended}}
    with pytest.raises(Unauthenticated):
        await run(SESSIONS, by=ada.token)
    result = await run(REFRESH, token=other["refreshToken"])
    assert (result.errors is None) is (ended == 1)


async def test_a_new_password_needs_the_old_one_and_ends_other_sessions(join, ask, run):
    ada = await join("ada")
    other = (await ask(SIGN_IN, login="ada", password=PASSWORD))["signIn"]
    change = """
    mutation ($current: String!, $new: String!) {
      changePassword(input: {currentPassword: $current, newPassword: $new}) {
        __typename
        ... on ChangePasswordSuccess { revoked }
        ... on InvalidInput { field }
      }
    }
    """
    wrong = await ask(change, by=ada.token, current="not it at all", new="another horse")
    assert wrong["changePassword"]["__typename"] == "InvalidCredentials"
    short = await ask(change, by=ada.token, current=PASSWORD, new="short")
    assert short["changePassword"]["field"] == "newPassword"
    done = await ask(change, by=ada.token, current=PASSWORD, new="another horse")
    assert done["changePassword"] == {"__typename": "ChangePasswordSuccess", "revoked": 1}
    with pytest.raises(Unauthenticated):
        await run(SESSIONS, by=other["accessToken"])
    answer = (await ask(SIGN_IN, login="ada", password="another horse"))["signIn"]
    assert answer["__typename"] == "AuthSuccess"


SET_STATUS = """
mutation ($id: ID!, $status: UserStatus!) {
  setUserStatus(input: {userId: $id, status: $status, reason: "because"}) {
    __typename
    ... on SetUserStatusSuccess { user { id status } }
  }
}
"""


async def test_a_moderator_suspends_and_the_suspended_is_out_at_once(join, ask, run, promote):
    ada, judge = await join("ada"), await promote(await join("judge"), "MODERATOR")
    done = await ask(SET_STATUS, by=judge.token, id=ada.id, status="SUSPENDED")
    assert done["setUserStatus"]["user"] == {"id": ada.id, "status": "SUSPENDED"}
    with pytest.raises(Unauthenticated) as refused:
        await run("{ me { id } }", by=ada.token)
    assert refused.value.reason == "REVOKED"
    answer = (await ask(SIGN_IN, login="ada", password=PASSWORD))["signIn"]
    assert answer["code"] == "ACCOUNT_SUSPENDED"
    deleted = await ask(SET_STATUS, by=judge.token, id=ada.id, status="DELETED")
    assert deleted["setUserStatus"]["__typename"] == "Forbidden"
    absent = await ask(SET_STATUS, by=judge.token, id="usr_x", status="ACTIVE")
    assert absent["setUserStatus"]["__typename"] == "NotFound"


async def test_fields_refuse_who_lacks_their_scope(join, run):
    ada = await join("ada")
    for query in (SET_STATUS, "{ users { nodes { id } } }"):
        variables = {"id": ada.id, "status": "ACTIVE"} if "$id" in query else {}
        stranger = await run(query, **variables)
        assert stranger.errors[0].extensions["code"] == "UNAUTHENTICATED"
        member = await run(query, by=ada.token, **variables)
        assert member.errors[0].extensions["code"] == "FORBIDDEN"


async def test_administrators_find_accounts_by_each_filter(join, ask, run, promote):
    ada, bob = await join("ada"), await join("bob_100")
    admin = await promote(await join("root"), "ADMIN")
    query = """
    query ($filter: UserFilterInput) {
      users(filter: $filter, first: 10) { totalCount nodes { id email status roles } }
    }
    """

    async def found(**filter):
        page = (await ask(query, by=admin.token, filter=filter))["users"]
        assert page["totalCount"] == len(page["nodes"])
        return [node["id"] for node in page["nodes"]]

    assert await found() == [admin.id, bob.id, ada.id]
    assert await found(role="ADMIN") == [admin.id]
    assert await found(role="USER") == [admin.id, bob.id, ada.id]
    assert await found(text="ADA@") == [ada.id]
    assert await found(text="b_1") == [bob.id]
    assert await found(text="%") == []
    assert await found(tier="PREMIUM") == []
    await ask(SET_STATUS, by=admin.token, id=bob.id, status="DELETED")
    assert await found(status="DELETED") == [bob.id]
    assert await found(status="ACTIVE", registered={"since": "2020-01-01T00:00:00Z"}) == [
        admin.id,
        ada.id,
    ]
    assert await found(registered={"until": "2020-01-01T00:00:00Z"}) == []
    for text in ("x" * 101, "a\0b"):
        refused = await run(query, by=admin.token, filter={"text": text})
        assert refused.errors[0].extensions["code"] == "BAD_USER_INPUT"
