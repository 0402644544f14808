"""Sessions: signing in, rotating refresh tokens, copies of them, revocation."""

import asyncio

import pytest
from sqlalchemy import func, insert, select, text, update

from core.errors import NotFound, RateLimited, Unauthenticated
from core.ids import new_id
from models.user_tables import accounts, grants, refresh_tokens, roles, sessions
from services.users import sessions as module
from services.users.access import Viewer, scopes_of
from services.users.errors import InvalidCredentials, TokenReused
from services.users.revocations import Revocations
from services.users.sessions import (
    Client,
    refresh,
    revoke_session,
    revoke_sessions,
    sign_out,
)

WEEK_S = 7 * 24 * 3600


@pytest.fixture
async def revocations(db, redis_url, redis_prefix):
    known = Revocations(db, redis_url, prefix=redis_prefix, access_token_s=900)
    yield known
    await known.close()


@pytest.fixture
def renew(db, revocations):
    async def renew(token):
        return await refresh(
            db,
            token=token,
            client=Client(),
            refresh_token_s=WEEK_S,
            revocations=revocations,
        )

    return renew


def as_viewer(opened):
    return Viewer(
        user_id=opened.user_id,
        session_id=opened.session_id,
        token_id="t",
        scopes=opened.scopes,
        tier=opened.tier,
        expires_at=opened.expires_at,
    )


async def session_row(db, session_id):
    async with db.read() as session:
        found = await session.execute(select(sessions).where(sessions.c.id == session_id))
        return found.one()


@pytest.mark.parametrize("login", ["ada", "ADA", "ada@mela.test", "Ada@Mela.Test"])
async def test_one_signs_in_by_either_name_whatever_its_case(db, make_user, enter, login):
    ada = await make_user("ada")
    opened = await enter(login, device="Firefox\x00 on Linux", address="192.0.2.9")
    assert opened.user_id == ada
    assert opened.scopes == scopes_of([])
    assert opened.tier == "FREE"
    row = await session_row(db, opened.session_id)
    assert (row.user_id, row.device, row.address) == (ada, "Firefox on Linux", "192.0.2.9")
    async with db.read() as session:
        account = (await session.execute(select(accounts))).one()
    assert account.last_login_address == "192.0.2.9"
    assert account.last_login_at == row.created_at


async def test_roles_grants_and_tier_are_in_the_opened_session(db, make_user, enter, renew):
    ada = await make_user("ada")
    async with db.engine.begin() as connection:
        await connection.execute(insert(roles).values(user_id=ada, role="ARTISAN"))
        await connection.execute(insert(grants).values(user_id=ada, scope="ledger:mint"))
    opened = await enter("ada")
    assert opened.scopes == scopes_of(["ARTISAN"], ["ledger:mint"])
    async with db.engine.begin() as connection:
        await connection.execute(update(accounts).values(tier="PREMIUM"))
        await connection.execute(insert(roles).values(user_id=ada, role="SPONSOR"))
    renewed = await renew(opened.refresh_token)
    assert renewed.scopes == scopes_of(["ARTISAN", "SPONSOR"], ["ledger:mint"])
    assert renewed.tier == "PREMIUM"


@pytest.mark.parametrize(
    "login", ["nobody", "nobody@mela.test", "", "x" * 5_000, "ada\0", "ad\ud800", "ada' OR 1=1 --"]
)
async def test_an_unknown_name_gets_the_answer_and_the_work_of_a_wrong_password(
    make_user, enter, passwords, audited, login
):
    await make_user("ada")
    checks = []
    for name in ("ada", login):
        before = passwords.verifications
        with pytest.raises(InvalidCredentials) as refused:
            await enter(name, "not it at all")
        checks.append((passwords.verifications - before, str(refused.value)))
    assert checks[0] == checks[1] == (1, "the name or the password is not right")
    known, unknown = await audited("SIGN_IN_FAILED")
    assert (known.user_id is None, unknown.user_id) == (False, None)
    assert known.details == unknown.details == {}


async def test_the_refresh_token_is_random_and_stored_hashed_only(db, make_user, enter):
    await make_user("ada")
    one, other = await enter("ada"), await enter("ada")
    assert one.refresh_token != other.refresh_token
    assert len(one.refresh_token) == 43
    async with db.read() as session:
        dump = (
            await session.execute(
                text(
                    "SELECT string_agg(t::text, ' ') || (SELECT string_agg(s::text, ' ') "
                    "FROM user_session s) FROM refresh_token t"
                )
            )
        ).scalar_one()
    assert one.refresh_token not in dump


async def test_a_refresh_token_is_traded_once_and_the_session_goes_on(db, make_user, enter, renew):
    ada = await make_user("ada")
    opened = await enter("ada")
    token = opened.refresh_token
    for _ in range(3):
        renewed = await renew(token)
        assert (renewed.user_id, renewed.session_id) == (ada, opened.session_id)
        assert renewed.refresh_token != token
        assert renewed.expires_at > opened.expires_at
        token = renewed.refresh_token
    row = await session_row(db, opened.session_id)
    assert row.last_seen_at > row.created_at
    assert row.expires_at == renewed.expires_at


async def test_an_old_token_revokes_the_whole_session_and_that_stays(
    db, make_user, enter, renew, audited, revocations
):
    await make_user("ada")
    opened, other = await enter("ada"), await enter("ada")
    renewed = await renew(opened.refresh_token)
    ended = asyncio.create_task(revocations.wait_revoked(as_viewer(opened)))
    with pytest.raises(TokenReused):
        await renew(opened.refresh_token)
    await asyncio.wait_for(ended, 1)
    row = await session_row(db, opened.session_id)
    assert row.revoked_at is not None
    assert row.revoked_reason == "TOKEN_REUSED"
    with pytest.raises(Unauthenticated) as refused:
        await renew(renewed.refresh_token)
    assert refused.value.reason == "REVOKED"
    (entry,) = await audited("TOKEN_REUSED")
    assert entry.session_id == opened.session_id
    assert (await renew(other.refresh_token)).session_id == other.session_id


async def test_of_two_refreshes_at_once_one_wins_and_the_other_is_a_reuse(
    db, make_user, enter, renew
):
    await make_user("ada")
    for _ in range(5):
        opened = await enter("ada")
        results = await asyncio.gather(
            *(renew(opened.refresh_token) for _ in range(4)), return_exceptions=True
        )
        kinds = sorted(type(result).__name__ for result in results)
        assert kinds == ["OpenedSession", "TokenReused", "TokenReused", "TokenReused"]
        assert (await session_row(db, opened.session_id)).revoked_at is not None


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 10_000, "\0", "\ud800"])
async def test_what_is_no_refresh_token_is_refused(renew, token):
    with pytest.raises(Unauthenticated) as refused:
        await renew(token)
    assert refused.value.reason == "INVALID"


async def test_a_refresh_token_ends_after_its_time(db, make_user, enter, renew):
    await make_user("ada")
    opened = await enter("ada")
    async with db.engine.begin() as connection:
        await connection.execute(update(refresh_tokens).values(expires_at=func.now()))
    with pytest.raises(Unauthenticated) as refused:
        await renew(opened.refresh_token)
    assert refused.value.reason == "TOKEN_EXPIRED"


async def test_who_signed_out_is_out(db, make_user, enter, renew, audited):
    ada = await make_user("ada")
    opened, other = await enter("ada"), await enter("ada")

    async def out():
        return await db.transaction(
            lambda tx: sign_out(tx, user_id=ada, session_id=opened.session_id)
        )

    assert await out() == [opened.session_id]
    assert await out() == []
    with pytest.raises(Unauthenticated) as refused:
        await renew(opened.refresh_token)
    assert refused.value.reason == "REVOKED"
    assert (await renew(other.refresh_token)).user_id == ada
    assert len(await audited("SIGNED_OUT")) == 1


async def test_one_revokes_ones_own_sessions_and_no_others(db, make_user, enter):
    ada, _ = await make_user("ada"), await make_user("bob")
    mine, theirs = await enter("ada"), await enter("bob")

    async def revoke(session_id):
        return await db.transaction(
            lambda tx: revoke_session(tx, user_id=ada, session_id=session_id)
        )

    for absent in (theirs.session_id, new_id()):
        with pytest.raises(NotFound):
            await revoke(absent)
    assert (await session_row(db, theirs.session_id)).revoked_at is None
    assert await revoke(mine.session_id) == [mine.session_id]
    with pytest.raises(NotFound):
        await revoke(mine.session_id)


async def test_all_sessions_end_save_the_one_that_is_kept(db, make_user, enter, audited):
    ada, _ = await make_user("ada"), await make_user("bob")
    one, two, three = [await enter("ada") for _ in range(3)]
    theirs = await enter("bob")
    revoked = await db.transaction(
        lambda tx: revoke_sessions(
            tx, user_id=ada, actor_id=ada, reason="REVOKED", but=two.session_id
        )
    )
    assert set(revoked) == {one.session_id, three.session_id}
    for kept in (two, theirs):
        assert (await session_row(db, kept.session_id)).revoked_at is None
    assert {entry.session_id for entry in await audited("SESSION_REVOKED")} == set(revoked)


async def test_too_many_sessions_end_the_one_not_seen_for_longest(
    db, make_user, open_for, renew, monkeypatch
):
    monkeypatch.setattr(module, "SESSIONS_MAX", 3)
    ada = await make_user("ada")
    first, second, _ = [await open_for(ada) for _ in range(3)]
    await renew(first.refresh_token)
    fourth = await open_for(ada)
    assert fourth.revoked == (second.session_id,)
    assert (await session_row(db, second.session_id)).revoked_reason == "TOO_MANY"
    assert (await session_row(db, first.session_id)).revoked_at is None


async def test_a_password_changed_meanwhile_does_not_let_the_old_one_in(
    db, make_user, enter, passwords, monkeypatch
):
    await make_user("ada")
    verify = passwords.verify

    async def verify_slowly(password_hash, password):
        right = await verify(password_hash, password)
        async with db.engine.begin() as connection:
            await connection.execute(update(accounts).values(password_hash="changed"))
        return right

    monkeypatch.setattr(passwords, "verify", verify_slowly)
    with pytest.raises(InvalidCredentials):
        await enter("ada")
    async with db.read() as session:
        assert (await session.execute(select(func.count()).select_from(sessions))).scalar() == 0


async def test_tries_on_an_account_are_counted_under_both_its_names(make_user, enter, passwords):
    await make_user("ada")
    for n in range(10):
        with pytest.raises(InvalidCredentials):
            await enter(("ada", "ADA", "ada@mela.test")[n % 3], "not it at all")
    before = passwords.verifications
    with pytest.raises(RateLimited) as limited:
        await enter("ada")
    assert passwords.verifications == before
    assert 890 <= limited.value.retry_after_s <= 900


async def test_an_unknown_name_is_throttled_like_a_known_one(enter):
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            await enter("nobody", "not it at all")
    with pytest.raises(RateLimited):
        await enter("Nobody", "not it at all")


async def test_signing_in_forgives_the_tries_before(make_user, enter):
    await make_user("ada")
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(InvalidCredentials):
                await enter("ada", "not it at all")
        await enter("ada")
