"""Telling people: whom, once, by which channels, in the caller's transaction or not at all."""

import asyncio
import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import event, text

from core.errors import InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from models.notification_kinds import ALWAYS, CHANNELS, DEFAULTS, KINDS
from services.users.notification_texts import words_of
from services.users.notifications import (
    DELIVER,
    NOTIFY,
    TOLD_MAX,
    mark_read,
    notify,
    notify_asked,
    set_preferences,
)
from services.users.people import block, follow, mute
from services.users.push_subscriptions import BROWSERS_MAX, add_browser, remove_browser

HOSTS = ("push.example",)


def browser_key():
    point = generate_private_key(SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


AUTH = base64.urlsafe_b64encode(b"0123456789abcdef").rstrip(b"=").decode()


@pytest.fixture
def rows(db):
    async def rows(statement, **parameters):
        async with db.read() as session:
            return (await session.execute(text(statement), parameters)).all()

    return rows


@pytest.fixture
def tell(db):
    """`await tell([ada], kind="FOLLOW", …)` in a unit of work of its own."""

    async def tell(user_ids, *, kind="FOLLOW", dedupe_key="k", **options):
        await db.transaction(
            lambda tx: notify(tx, kind=kind, user_ids=user_ids, dedupe_key=dedupe_key, **options)
        )

    return tell


@pytest.fixture
def do(db):
    async def do(service, **options):
        return await db.transaction(lambda tx: service(tx, **options))

    return do


@pytest.fixture
def subscribe(do):
    async def subscribe(user_id, number=0, **changes):
        given = {"endpoint": f"https://a.push.example/{number}", "p256dh": browser_key()}
        given |= {"auth": AUTH, **changes}
        await do(add_browser, user_id=user_id, hosts=HOSTS, **given)

    return subscribe


def created(db):
    return [e for e in db.published if e.type == "NotificationCreated"]


async def test_each_is_told_once_a_key_with_one_event_on_their_own_topic(db, make_user, tell, rows):
    ada, bob, eve = await make_user(), await make_user(), await make_user()
    del db.published[:]
    about = {"actor_id": eve, "reference": f"usr_{eve.hex}", "facts": {"amount": 5}}
    await tell([ada, bob, ada, eve], dedupe_key="a", **about)
    await tell([ada, bob], dedupe_key="a", **about)
    await tell([ada], dedupe_key="b")
    found = await rows("SELECT * FROM notification ORDER BY dedupe_key, user_id")
    assert [(row.user_id, row.dedupe_key) for row in found] == [
        *((user, "a") for user in sorted((ada, bob))),
        (ada, "b"),
    ]
    assert (found[0].kind, found[0].actor_id, found[0].facts) == ("FOLLOW", eve, {"amount": 5})
    assert (found[0].reference, found[0].read_at, found[0].in_app) == (f"usr_{eve.hex}", None, True)
    assert [(e.topic, e.payload) for e in created(db)] == [
        (f"user:{row.user_id.hex}", {"notification": row.id.hex, "kind": "FOLLOW"}) for row in found
    ]


async def test_two_at_once_tell_once(db, make_user, tell, rows):
    people = [await make_user() for _ in range(4)]
    del db.published[:]
    await asyncio.gather(*(tell(people[::step]) for step in (1, -1, 1, -1, 1, -1)))
    assert len(await rows("SELECT 1 FROM notification")) == 4
    assert len(created(db)) == 4


async def test_nothing_is_told_where_the_transaction_fails(db, make_user, rows):
    ada = await make_user()
    del db.published[:]

    async def work(tx):
        await notify(tx, kind="ORDER", user_ids=[ada], dedupe_key="k")
        raise NotFound("order")

    with pytest.raises(NotFound):
        await db.transaction(work)
    assert db.published == []
    assert await rows("SELECT 1 FROM notification") == []
    assert await rows("SELECT 1 FROM pgqueuer") == []


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é"])
async def test_a_key_that_could_not_be_kept_is_a_programmers_error(make_user, tell, rows, key):
    ada = await make_user()
    with pytest.raises(ValueError, match="dedupe key"):
        await tell([ada], dedupe_key=key)
    assert await rows("SELECT 1 FROM notification") == []


async def test_who_muted_or_is_blocked_or_suspended_hears_nothing(db, make_user, tell, rows, do):
    actor = await make_user()
    muter, blocker, blocked, suspended, told = [await make_user() for _ in range(5)]
    await do(mute, viewer_id=muter, user_id=actor)
    await do(block, viewer_id=blocker, user_id=actor)
    await do(block, viewer_id=actor, user_id=blocked)
    async with db.engine.begin() as session:
        await session.execute(
            text("UPDATE user_account SET status = 'SUSPENDED' WHERE id = :id"), {"id": suspended}
        )
    del db.published[:]
    await tell([muter, blocker, blocked, suspended, told, actor], actor_id=actor)
    assert [row.user_id for row in await rows("SELECT user_id FROM notification")] == [told]
    assert [e.topic for e in created(db)] == [f"user:{told.hex}"]
    # What nobody caused reaches them.
    await tell([muter, blocker, blocked], dedupe_key="n", kind="ANNOUNCEMENT")
    assert len(await rows("SELECT 1 FROM notification WHERE kind = 'ANNOUNCEMENT'")) == 3


async def test_more_than_eight_are_a_job_which_tells_each_once(db, make_user, tell, rows):
    people = [await make_user() for _ in range(TOLD_MAX * 2 + 3)]
    del db.published[:]
    await tell(people, kind="ANNOUNCEMENT", facts={"n": 1})
    assert created(db) == []
    [job] = await rows("SELECT entrypoint, payload FROM pgqueuer")
    assert job.entrypoint == NOTIFY
    import orjson

    asked = orjson.loads(job.payload)
    for _ in range(2):
        start = 0
        while start is not None:
            start = await db.transaction(
                lambda tx, start=start: notify_asked(tx, asked, start=start)
            )
    assert len(created(db)) == len(people)
    found = await rows("SELECT user_id, facts FROM notification")
    assert sorted(row.user_id for row in found) == sorted(people)
    assert found[0].facts == {"n": 1}


async def test_a_transaction_without_topics_to_spare_asks_for_a_job(db, make_user, rows):
    people = [await make_user() for _ in range(3)]
    del db.published[:]

    async def work(tx):
        for n in range(7):
            tx.collect(NewEvent(f"other:{n}", "Happened", {}))
        await notify(tx, kind="ANNOUNCEMENT", user_ids=people, dedupe_key="k")

    await db.transaction(work)
    assert created(db) == []
    assert [row.entrypoint for row in await rows("SELECT entrypoint FROM pgqueuer")] == [NOTIFY]


async def test_telling_eight_is_one_statement_and_one_for_the_job(db, make_user, tell):
    people = [await make_user() for _ in range(TOLD_MAX)]
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(db.engine.sync_engine, "before_cursor_execute", before)
    await tell(people, kind="AUCTION_WON")
    event.remove(db.engine.sync_engine, "before_cursor_execute", before)
    assert len(sent) == 3  # the notifications, the job that sends the mails, the events


async def test_channels_follow_the_kind_and_what_was_chosen(make_user, tell, rows, do, subscribe):
    ada, bob = await make_user(), await make_user()
    await subscribe(ada, 1)
    await subscribe(bob, 2)
    changes = {("AUCTION_WON", "EMAIL"): False, ("FOLLOW", "PUSH"): True}
    await do(set_preferences, user_id=bob, changes=changes)
    await tell([ada, bob], kind="AUCTION_WON", dedupe_key="w")
    await tell([ada, bob], kind="FOLLOW", dedupe_key="f")
    found = await rows(
        "SELECT n.user_id, n.kind, d.channel, d.status FROM notification_delivery AS d"
        " JOIN notification AS n ON n.id = d.notification_id"
    )
    assert {(row.user_id, row.kind, row.channel) for row in found} == {
        (ada, "AUCTION_WON", "EMAIL"),
        (ada, "AUCTION_WON", "PUSH"),
        (bob, "AUCTION_WON", "PUSH"),
        (bob, "FOLLOW", "PUSH"),
    }
    assert {row.status for row in found} == {"PENDING"}
    jobs = await rows("SELECT entrypoint FROM pgqueuer")
    assert [job.entrypoint for job in jobs] == [DELIVER, DELIVER]


async def test_what_is_chosen_out_of_the_list_is_not_in_it_and_pushes_no_event(
    db, make_user, tell, rows, do
):
    ada = await make_user()
    quiet = {("AUCTION_WON", "IN_APP"): False, ("FOLLOW", "IN_APP"): False}
    await do(set_preferences, user_id=ada, changes=quiet)
    del db.published[:]
    await tell([ada], kind="AUCTION_WON", dedupe_key="w")
    await tell([ada], kind="FOLLOW", dedupe_key="f")
    assert db.published == []
    found = await rows("SELECT kind, in_app FROM notification")
    assert [tuple(row) for row in found] == [("AUCTION_WON", False)]  # for its mail alone
    assert await do(mark_read, user_id=ada, ids=None) == 0


@pytest.mark.parametrize(("kind", "channel"), sorted(ALWAYS))
async def test_what_must_reach_people_cannot_be_turned_off(make_user, do, rows, kind, channel):
    ada = await make_user()
    with pytest.raises(InvalidInput) as refused:
        await do(
            set_preferences,
            user_id=ada,
            changes={("FOLLOW", "IN_APP"): False, (kind, channel): False},
        )
    assert refused.value.field == "changes"
    assert await rows("SELECT 1 FROM notification_preference") == []
    await do(set_preferences, user_id=ada, changes={(kind, channel): True})


async def test_reading_marks_ones_own_once_and_all_or_nothing(db, make_user, tell, rows, do):
    ada, bob = await make_user(), await make_user()
    for n in range(3):
        await tell([ada, bob], dedupe_key=f"k{n}")
    mine = [row.id for row in await rows("SELECT id FROM notification WHERE user_id = :u", u=ada)]
    [foreign, *_] = await rows("SELECT id FROM notification WHERE user_id = :u", u=bob)
    del db.published[:]
    for ids in ([mine[0], foreign.id], [mine[0], new_id()]):
        with pytest.raises(NotFound):
            await do(mark_read, user_id=ada, ids=ids)
    with pytest.raises(InvalidInput):
        await do(mark_read, user_id=ada, ids=[new_id() for _ in range(101)])
    assert await rows("SELECT 1 FROM notification WHERE read_at IS NOT NULL") == []
    assert db.published == []
    assert await do(mark_read, user_id=ada, ids=mine[:1]) == 1
    assert await do(mark_read, user_id=ada, ids=mine[:2]) == 1
    assert await do(mark_read, user_id=ada, ids=None) == 1
    assert await do(mark_read, user_id=ada, ids=None) == 0
    assert [e.type for e in db.published] == ["NotificationsRead"] * 3
    read = await rows("SELECT user_id FROM notification WHERE read_at IS NOT NULL")
    assert {row.user_id for row in read} == {ada}


async def test_a_follow_is_told_once_for_ever(db, make_user, do, rows):
    from services.users.people import unfollow

    ada, bob = await make_user(), await make_user()
    for service in (follow, unfollow, follow):
        await do(service, viewer_id=ada, user_id=bob)
    found = await rows("SELECT user_id, kind, actor_id, reference FROM notification")
    assert [tuple(row) for row in found] == [(bob, "FOLLOW", ada, f"usr_{ada.hex}")]


async def test_browsers_are_checked_bounded_and_one_persons(make_user, subscribe, rows, do):
    ada, bob = await make_user(), await make_user()
    for field, value in (
        ("endpoint", "http://a.push.example/1"),
        ("endpoint", "https://push.example.evil.test/1"),
        ("endpoint", "https://evilpush.example/1"),
        ("endpoint", "https://user@a.push.example/1"),
        ("endpoint", "https://a.push.example:8443/1"),
        ("endpoint", "https://127.0.0.1/1"),
        ("endpoint", "https://[::1/"),
        ("endpoint", "https://a.push.example/" + "x" * 1_000),
        ("endpoint", "https://a.push.example/\n"),
        ("p256dh", "AAAA"),
        ("p256dh", "é"),
        ("p256dh", base64.urlsafe_b64encode(b"\x04" + b"\x01" * 64).decode()),
        ("auth", "AAAA"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await subscribe(ada, **{field: value})
        assert refused.value.field == field, value
    assert await rows("SELECT 1 FROM push_subscription") == []
    for n in range(BROWSERS_MAX + 2):
        await subscribe(ada, n)
    kept = [row.endpoint for row in await rows("SELECT endpoint FROM push_subscription")]
    assert sorted(kept) == sorted(f"https://a.push.example/{n}" for n in range(2, 12))
    await subscribe(bob, 5)
    owner = await rows(
        "SELECT user_id FROM push_subscription WHERE endpoint = 'https://a.push.example/5'"
    )
    assert [row.user_id for row in owner] == [bob]
    gone = {"endpoint": "https://a.push.example/5"}
    assert await do(remove_browser, user_id=ada, **gone) is False
    assert await do(remove_browser, user_id=bob, **gone) is True


def test_every_kind_has_defaults_and_words():
    assert set(DEFAULTS) == set(KINDS)
    assert all(channels <= set(CHANNELS) for channels in DEFAULTS.values())
    assert all(channel in DEFAULTS[kind] for kind, channel in ALWAYS)
    for kind in KINDS:
        words = words_of(
            kind, {"amount": 1_250, "asset": "USD"}, name="Ada", actor="Bob", thing="the {bowl}"
        )
        assert 5 < len(words.subject) < 100
        assert words.text.endswith(".")
        bare = words_of(kind, {}, name="Ada", actor=None, thing=None)
        assert "None" not in bare.subject + bare.text
    said = words_of("OUTBID", {"amount": 1_250, "asset": "USD"}, name="A", actor=None, thing="Bowl")
    assert (said.subject, said.text) == ("You were outbid on Bowl", "Bowl stands at 12.50 USD now.")
