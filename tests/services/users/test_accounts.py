"""Accounts: signing up, renaming, new passwords, suspension."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, text, update

from core.errors import Forbidden, InvalidInput, NotFound
from core.ids import new_id
from models.user_tables import accounts, profiles, roles, sessions
from services.users.access import Viewer, scopes_of
from services.users.accounts import (
    change_password,
    change_username,
    clean_email,
    clean_username,
    prepare_account,
    set_user_status,
    sign_up,
)
from services.users.errors import (
    AccountSuspended,
    EmailTaken,
    InvalidCredentials,
    UsernameTaken,
)
from services.users.sessions import Client, refresh

PASSWORD = "correct horse battery"


def viewer(user_id, *held, session_id=None):
    return Viewer(
        user_id=user_id,
        session_id=session_id or new_id(),
        token_id="t",
        scopes=scopes_of(held),
        tier="FREE",
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )


async def register(db, passwords, email, username, password=PASSWORD):
    account = await prepare_account(passwords, email=email, username=username, password=password)
    return await db.transaction(
        lambda tx: sign_up(tx, account=account, client=Client(address="192.0.2.7"))
    )


async def row(db, table, **where):
    async with db.read() as session:
        found = await session.execute(
            select(table).where(*(table.c[name] == value for name, value in where.items()))
        )
        return found.one_or_none()


async def test_signing_up_makes_an_account_and_a_public_profile(db, passwords, audited):
    user_id = await register(db, passwords, "Ada@Mela.TEST", "Ada_99")
    account = await row(db, accounts, id=user_id)
    assert (account.email, account.username) == ("Ada@mela.test", "Ada_99")
    assert (account.display_name, account.status, account.tier) == ("Ada_99", "ACTIVE", "FREE")
    assert account.password_hash.startswith("$argon2id$")
    assert account.show_email is False
    profile = await row(db, profiles, user_id=user_id)
    assert (profile.visibility, profile.time_zone, profile.theme) == ("PUBLIC", "UTC", "system")
    assert profile.accent_colour == "#6366f1"
    (event,) = db.published
    assert (event.topic, event.type) == (f"user:{user_id.hex}", "SignedUp")
    assert event.payload == {"userId": f"usr_{user_id.hex}"}
    (entry,) = await audited("SIGNED_UP")
    assert (entry.user_id, entry.address) == (user_id, "192.0.2.7")


async def test_email_and_username_are_unique_whatever_their_case(db, passwords):
    await register(db, passwords, "ada@mela.test", "ada")
    with pytest.raises(EmailTaken):
        await register(db, passwords, "ADA@mela.test", "other")
    with pytest.raises(UsernameTaken):
        await register(db, passwords, "other@mela.test", "ADA")
    assert len(db.published) == 1
    async with db.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM user_account"))).scalar() == 1
        assert (await session.execute(text("SELECT count(*) FROM profile"))).scalar() == 1


async def test_of_many_who_want_a_username_at_once_one_gets_it(db, passwords):
    results = await asyncio.gather(
        *(register(db, passwords, f"a{n}@mela.test", "wanted") for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, UsernameTaken) for result in results) == 4


@pytest.mark.parametrize(
    "email",
    [
        *("", "ada", "ada@", "@mela.test", "a@b", "a b@mela.test", "a@mela.test\0"),
        *("a@\ud800.test", "x" * 65 + "@mela.test", "a@" + "x" * 320 + ".test", "a@mela.test\n"),
    ],
)
def test_what_is_no_address_is_refused(email):
    with pytest.raises(InvalidInput) as refused:
        clean_email(email)
    assert refused.value.field == "email"


@pytest.mark.parametrize(
    "username", ["", "ab", "x" * 31, "a b", "ad\u00e9", "ada\n", "a.b", "\u0430da", "ad\0a"]
)
def test_what_is_no_username_is_refused(username):
    with pytest.raises(InvalidInput) as refused:
        clean_username(username)
    assert refused.value.field == "username"


async def test_a_username_is_changed_also_in_its_case_alone(db, make_user, audited):
    ada, _ = await make_user("ada"), await make_user("bob")
    await db.transaction(lambda tx: change_username(tx, user_id=ada, username="ADA"))
    assert (await row(db, accounts, id=ada)).username == "ADA"
    with pytest.raises(UsernameTaken):
        await db.transaction(lambda tx: change_username(tx, user_id=ada, username="BOB"))
    with pytest.raises(InvalidInput):
        await db.transaction(lambda tx: change_username(tx, user_id=ada, username="a b"))
    assert (await row(db, accounts, id=ada)).username == "ADA"
    assert len(await audited("USERNAME_CHANGED")) == 1


async def test_a_new_password_ends_all_other_sessions(db, make_user, enter, passwords, throttle):
    ada = await make_user("ada")
    here, there = await enter("ada"), await enter("ada")
    revoked = await change_password(
        db,
        viewer=viewer(ada, session_id=here.session_id),
        current=PASSWORD,
        new="another horse",
        client=Client(),
        passwords=passwords,
        throttle=throttle,
    )
    assert revoked == [there.session_id]
    assert (await row(db, sessions, id=there.session_id)).revoked_reason == "PASSWORD_CHANGED"
    assert (await row(db, sessions, id=here.session_id)).revoked_at is None
    with pytest.raises(InvalidCredentials):
        await enter("ada")
    assert (await enter("ada", "another horse")).user_id == ada


async def test_a_wrong_current_password_changes_nothing_and_is_audited(
    db, make_user, enter, passwords, throttle, audited
):
    ada = await make_user("ada")
    session = await enter("ada")
    with pytest.raises(InvalidCredentials):
        await change_password(
            db,
            viewer=viewer(ada, session_id=session.session_id),
            current="not it at all",
            new="another horse",
            client=Client(),
            passwords=passwords,
            throttle=throttle,
        )
    assert (await enter("ada")).user_id == ada
    assert len(await audited("PASSWORD_CHANGE_FAILED")) == 1
    assert await audited("PASSWORD_CHANGED") == []


async def test_who_is_suspended_is_signed_out_and_stays_out(db, make_user, enter, audited):
    ada, judge = await make_user("ada"), await make_user("judge")
    session = await enter("ada")
    moderator = viewer(judge, "MODERATOR")
    revoked = await db.transaction(
        lambda tx: set_user_status(
            tx, actor=moderator, user_id=ada, status="SUSPENDED", reason="spam"
        )
    )
    assert revoked == [session.session_id]
    with pytest.raises(AccountSuspended):
        await enter("ada")
    with pytest.raises(InvalidCredentials):
        await enter("ada", "not it at all")
    with pytest.raises(AccountSuspended):
        await refresh(
            db,
            token=session.refresh_token,
            client=Client(),
            refresh_token_s=60,
            revocations=None,
        )
    (entry,) = await audited("STATUS_CHANGED")
    assert (entry.user_id, entry.actor_id) == (ada, judge)
    assert entry.details == {"from": "ACTIVE", "to": "SUSPENDED", "reason": "spam"}
    assert db.published[-1].payload == {"userId": f"usr_{ada.hex}", "status": "SUSPENDED"}
    await db.transaction(
        lambda tx: set_user_status(tx, actor=moderator, user_id=ada, status="ACTIVE", reason="ok")
    )
    assert (await enter("ada")).user_id == ada


async def test_a_deleted_account_is_as_if_it_never_was(db, make_user, enter):
    ada, judge = await make_user("ada"), await make_user("judge")
    await db.transaction(
        lambda tx: set_user_status(
            tx, actor=viewer(judge, "ADMIN"), user_id=ada, status="DELETED", reason="asked"
        )
    )
    with pytest.raises(InvalidCredentials):
        await enter("ada")


@pytest.mark.parametrize(
    ("held", "target", "status"),
    [
        (["MODERATOR"], "member", "DELETED"),
        (["MODERATOR"], "moderator", "SUSPENDED"),
        (["MODERATOR"], "admin", "SUSPENDED"),
        (["ADMIN"], "self", "SUSPENDED"),
    ],
)
async def test_what_a_role_may_not_do_to_another_is_forbidden(
    db, make_user, enter, held, target, status
):
    judge, other = await make_user("judge"), await make_user("other")
    session = await enter("other")
    async with db.engine.begin() as connection:
        if target in ("moderator", "admin"):
            await connection.execute(insert(roles).values(user_id=other, role=target.upper()))
    goal = judge if target == "self" else other
    with pytest.raises(Forbidden):
        await db.transaction(
            lambda tx: set_user_status(
                tx, actor=viewer(judge, *held), user_id=goal, status=status, reason="because"
            )
        )
    assert (await row(db, accounts, id=goal)).status == "ACTIVE"
    assert (await row(db, sessions, id=session.session_id)).revoked_at is None


async def test_an_administrator_may_suspend_a_moderator(db, make_user):
    judge, other = await make_user(), await make_user()
    async with db.engine.begin() as connection:
        await connection.execute(insert(roles).values(user_id=other, role="MODERATOR"))
    await db.transaction(
        lambda tx: set_user_status(
            tx, actor=viewer(judge, "ADMIN"), user_id=other, status="SUSPENDED", reason="r"
        )
    )
    assert (await row(db, accounts, id=other)).status == "SUSPENDED"


async def test_status_needs_a_reason_and_someone(db, make_user):
    judge, other = await make_user(), await make_user()
    admin = viewer(judge, "ADMIN")
    with pytest.raises(InvalidInput, match="reason"):
        await db.transaction(
            lambda tx: set_user_status(
                tx, actor=admin, user_id=other, status="SUSPENDED", reason=" "
            )
        )
    with pytest.raises(NotFound):
        await db.transaction(
            lambda tx: set_user_status(
                tx, actor=admin, user_id=new_id(), status="SUSPENDED", reason="r"
            )
        )


async def test_a_hash_of_older_parameters_is_renewed_on_signing_in(db, make_user, enter):
    from services.users.passwords import Passwords

    ada = await make_user("ada")
    older = Passwords(memory_kib=16, time_cost=2)
    async with db.engine.begin() as connection:
        await connection.execute(
            update(accounts)
            .where(accounts.c.id == ada)
            .values(password_hash=await older.hash(PASSWORD))
        )
    older.close()
    await enter("ada")
    assert "m=8,t=1" in (await row(db, accounts, id=ada)).password_hash
    await enter("ada")
