"""What the log means to people, and mails and pushes on their way: by the jobs' own functions, and
by a worker that runs them."""

import asyncio
from datetime import timedelta
from functools import partial

import orjson
import pytest
from sqlalchemy import text

from adapters.mail import OutboxMailer
from core.errors import DomainError
from core.ids import new_id
from core.ports import Couriers
from jobs.auctions import close_at_end
from jobs.delivering import deliver, redeliver
from jobs.following import Follower
from jobs.notifications import (
    NOTIFICATIONS,
    notify_people,
    run_notifier,
    sweep_ending_soon,
    take_notices,
)
from jobs.retention import delete_expired
from jobs.worker import run_worker
from services.users.deliveries import TRIES_MAX
from services.users.notifications import notify

TOLD = (
    "SELECT user_id, kind, reference, facts, dedupe_key FROM notification ORDER BY created_at, id"
)
DELIVERIES = "SELECT channel, status, tries FROM notification_delivery ORDER BY channel"


@pytest.fixture
def catch_up(market):
    """`await catch_up()`: all that is committed has been taken."""

    async def catch_up():
        follower = Follower(market.db, NOTIFICATIONS, take_notices)
        async with asyncio.timeout(30):
            while True:
                await follower.catch_up()
                waiting = await market.rows(
                    "SELECT 1 FROM event AS e, log_consumer AS c WHERE c.name = 'notifications'"
                    " AND (e.transaction_id, e.id) > (c.transaction_id, c.row_id) LIMIT 1"
                )
                if not waiting:
                    return
                await asyncio.sleep(0.02)

    return catch_up


@pytest.fixture
def told(market):
    async def told():
        return [tuple(row)[:3] for row in await market.rows(TOLD)]

    return told


class Mailer:
    """Keeps what it is given; `failing` mails are not taken."""

    def __init__(self, failing=0, repeatable=False):
        self.sent, self.failing, self.repeatable = [], failing, repeatable

    async def send(self, mail):
        if self.failing:
            self.failing -= 1
            raise ConnectionError("no mail server")
        self.sent.append(mail)


class Pusher:
    public_key = "k"

    def __init__(self, gone=(), failing=()):
        self.sent, self.gone, self.failing = [], gone, failing

    async def push(self, push):
        if push.endpoint in self.failing:
            raise ConnectionError("no push service")
        if push.endpoint in self.gone:
            return "GONE"
        self.sent.append(push)
        return "TAKEN"


@pytest.fixture
def notice(market):
    """`await notice(kind="AUCTION_WON")` tells the first buyer; the notification's id."""

    async def notice(kind="AUCTION_WON", reference=None, **facts):
        key = new_id().hex
        unit = partial(
            notify,
            kind=kind,
            user_ids=[market.buyers[0]],
            dedupe_key=key,
            reference=reference,
            facts=facts,
        )
        await market.db.transaction(unit)
        [row] = await market.rows("SELECT id FROM notification WHERE dedupe_key = :k", k=key)
        return row.id

    return notice


@pytest.fixture
def browser(market):
    async def browser(number):
        await market.run(
            "INSERT INTO push_subscription (id, user_id, endpoint, p256dh, auth)"
            " VALUES (:id, :user, :endpoint, :point, :auth)",
            id=new_id(),
            user=market.buyers[0],
            endpoint=f"https://push.example/{number}",
            point="B" * 87,
            auth="A" * 22,
        )
        return f"https://push.example/{number}"

    return browser


# What the log says


async def test_who_is_outbid_is_told_the_price_and_who_leads_again_is_not(market, catch_up, told):
    lot = await market.lot(ends_in_s=3600)
    reference = f"auc_{lot.hex}"
    await market.bid(lot, 1_000, buyer=0)
    await market.bid(lot, 2_000, buyer=1)
    await catch_up()
    [row] = await market.rows(TOLD)
    price = (await market.auction(lot)).current_price_minor
    assert (row.user_id, row.kind, row.reference) == (market.buyers[0], "OUTBID", reference)
    assert row.facts == {"amount": price, "asset": "USD"}
    # In one go: 0 leads, 1 leads, 0 leads: of these only 1 is behind in the end.
    await market.bid(lot, 3_000, buyer=0)
    await market.bid(lot, 4_000, buyer=1)
    await market.bid(lot, 5_000, buyer=0)
    await catch_up()
    assert (await told())[1:] == [(market.buyers[1], "OUTBID", reference)]


async def test_a_bid_that_does_not_lead_and_ones_own_raise_outbid_nobody(market, catch_up, told):
    lot = await market.lot(ends_in_s=3600)
    await market.bid(lot, 5_000, buyer=0)
    await market.bid(lot, 2_000, buyer=1)  # answered by the leader's maximum at once
    await market.bid(lot, 6_000, buyer=0)
    with pytest.raises(DomainError):
        await market.bid(lot, 1, buyer=1)
    await catch_up()
    assert await told() == []


async def test_an_end_is_told_to_winner_and_seller_once_however_often_it_is_read(
    market, catch_up, told
):
    sold, unsold = await market.lot(ends_in_s=3600), await market.lot(ends_in_s=3600)
    await market.bid(sold, 1_000, buyer=2)
    await market.pass_end(sold, unsold)
    for lot in (sold, unsold):
        await close_at_end(market.db, lot)
    await catch_up()
    expected = {
        (market.buyers[2], "AUCTION_WON", f"auc_{sold.hex}"),
        (market.seller, "AUCTION_SOLD", f"auc_{sold.hex}"),
        (market.seller, "AUCTION_UNSOLD", f"auc_{unsold.hex}"),
    }
    assert set(await told()) == expected
    [row] = await market.rows("SELECT facts FROM notification WHERE kind = 'AUCTION_WON'")
    assert row.facts == {"amount": 100, "asset": "USD"}
    await market.run("DELETE FROM log_consumer")  # the whole log again
    await catch_up()
    assert set(await told()) == expected
    assert len(await told()) == 3


async def test_a_batch_with_more_people_than_topics_is_taken_in_parts(
    open_database, database_url, new_market
):
    market = await new_market(open_database(database_url), 24)
    lots = [await market.lot(ends_in_s=3600) for _ in range(12)]
    for n, lot in enumerate(lots):
        await market.bid(lot, 1_000, buyer=2 * n)
        await market.bid(lot, 2_000, buyer=2 * n + 1)
    follower = Follower(market.db, NOTIFICATIONS, take_notices)
    async with asyncio.timeout(30):
        while len(await market.rows(TOLD)) < 12:
            await follower.catch_up()
    assert sorted(row.user_id for row in await market.rows(TOLD)) == sorted(market.buyers[::2])


async def test_reading_a_batch_of_bids_is_a_bounded_number_of_statements(market, catch_up):
    from sqlalchemy import event

    lot = await market.lot(ends_in_s=3600)
    for n in range(10):
        await market.bid(lot, 1_000 * (n + 1), buyer=n % 2)
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(market.db.engine.sync_engine, "before_cursor_execute", before)
    await market.db.transaction(_take_all)
    event.remove(market.db.engine.sync_engine, "before_cursor_execute", before)
    # The log, who led before, one notification (the last of each person), its job, its event.
    assert len(sent) <= 5


async def _take_all(tx):
    from services.following import FollowedEvent

    rows = await tx.execute(
        text(
            "SELECT topic, sequence, id, CAST(transaction_id AS text), type, payload, actor_id,"
            " occurred_at FROM event ORDER BY transaction_id, id"
        )
    )
    events = [FollowedEvent(*row) for row in rows]
    assert await take_notices(tx, events) == len(events)


async def test_watchers_hear_once_that_a_lot_ends_soon(market, told):
    soon, later, over = [await market.lot(ends_in_s=s) for s in (600, 7_200, 600)]
    await market.pass_end(over)
    for lot in (soon, later, over):
        for buyer in market.buyers[:2]:
            await market.run(
                "INSERT INTO auction_watch (user_id, auction_id) VALUES (:u, :a)", u=buyer, a=lot
            )
    assert await sweep_ending_soon(market.db, window_s=900) == 1
    reference = f"auc_{soon.hex}"
    both = {(buyer, "AUCTION_ENDING_SOON", reference) for buyer in market.buyers[:2]}
    assert set(await told()) == both
    await market.run(
        "INSERT INTO auction_watch (user_id, auction_id) VALUES (:u, :a)",
        u=market.buyers[2],
        a=soon,
    )
    swept = await asyncio.gather(*(sweep_ending_soon(market.db, window_s=900) for _ in range(3)))
    assert max(swept) == 1
    assert set(await told()) == both | {(market.buyers[2], "AUCTION_ENDING_SOON", reference)}
    assert len(await told()) == 3
    assert await sweep_ending_soon(market.db, window_s=900) == 0


# On their way


async def test_a_mail_says_what_the_ids_are_called_now_and_is_sent_once(market, notice):
    lot = await market.lot(ends_in_s=60)
    await market.run("UPDATE auction SET title = E'Blue\\nbowl' WHERE id = :id", id=lot)
    id = await notice(reference=f"auc_{lot.hex}", amount=1_250, asset="USD")
    couriers = Couriers(Mailer(), Pusher())
    await asyncio.gather(*(deliver(market.db, couriers, [id]) for _ in range(3)))
    [mail] = couriers.mailer.sent
    assert (mail.id, mail.to, mail.name) == (f"ntf_{id.hex}", "u1@example.org", "U")
    assert mail.subject == "You won Blue\nbowl"
    assert mail.text == "Hello U,\n\nBlue\nbowl is yours for 12.50 USD.\n"
    assert [tuple(row) for row in await market.rows(DELIVERIES)] == [("EMAIL", "SENT", 1)]
    assert await redeliver(market.db, couriers) == 0


async def test_a_mail_that_is_not_taken_is_tried_again_later_and_given_up_in_the_end(
    market, notice
):
    id = await notice()
    couriers = Couriers(Mailer(failing=2), None)
    await deliver(market.db, couriers, [id])
    assert [tuple(row) for row in await market.rows(DELIVERIES)] == [("EMAIL", "PENDING", 1)]
    assert await redeliver(market.db, couriers) == 0  # not yet
    for pause_s, expected in ((61, 2), (61, 2), (121, 3)):
        await market.run(
            "UPDATE notification_delivery SET changed_at = now() - CAST(:pause AS interval)",
            pause=timedelta(seconds=pause_s),
        )
        await redeliver(market.db, couriers)
        [row] = await market.rows(DELIVERIES)
        assert row.tries == expected
    assert (row.status, len(couriers.mailer.sent)) == ("SENT", 1)
    other = await notice()
    await market.run(
        "UPDATE notification_delivery SET tries = :n WHERE notification_id = :id",
        n=TRIES_MAX - 1,
        id=other,
    )
    await deliver(market.db, Couriers(Mailer(failing=9), None), [other])
    [row] = await market.rows(
        "SELECT status FROM notification_delivery WHERE notification_id = :id", id=other
    )
    assert row.status == "FAILED"


@pytest.mark.parametrize(("repeatable", "status"), [(True, "PENDING"), (False, "FAILED")])
async def test_what_a_killed_process_was_sending_is_repeated_only_where_it_is_seen_once(
    market, notice, repeatable, status
):
    await notice()
    couriers = Couriers(Mailer(failing=9, repeatable=repeatable), None)
    await market.run("UPDATE notification_delivery SET status = 'SENDING', tries = 1")
    await redeliver(market.db, couriers)
    assert [row.status for row in await market.rows(DELIVERIES)] == ["SENDING"]
    await market.run("UPDATE notification_delivery SET changed_at = now() - interval '11 minutes'")
    await redeliver(market.db, couriers)
    assert [row.status for row in await market.rows(DELIVERIES)] == [status]
    assert couriers.mailer.sent == []


async def test_pushes_go_to_each_browser_and_those_that_left_are_forgotten(market, notice, browser):
    there, gone = await browser(1), await browser(2)
    id = await notice(kind="OUTBID", amount=5, asset="USD")
    couriers = Couriers(Mailer(), Pusher(gone=(gone,)))
    await deliver(market.db, couriers, [id])
    [push] = couriers.pusher.sent
    assert (push.endpoint, push.topic) == (there, id.hex)
    body = orjson.loads(push.body)
    assert (body["id"], body["kind"]) == (f"ntf_{id.hex}", "OUTBID")
    assert body["title"] == "You were outbid on something you follow"
    left = await market.rows("SELECT endpoint FROM push_subscription")
    assert [row.endpoint for row in left] == [there]
    assert [tuple(row) for row in await market.rows(DELIVERIES)] == [("PUSH", "SENT", 1)]


async def test_a_push_that_one_browser_took_is_not_repeated_for_another(market, notice, browser):
    there, failing = await browser(1), await browser(2)
    couriers = Couriers(Mailer(), Pusher(failing=(failing,)))
    await deliver(market.db, couriers, [await notice(kind="OUTBID")])
    assert [push.endpoint for push in couriers.pusher.sent] == [there]
    assert [row.status for row in await market.rows(DELIVERIES)] == ["SENT"]
    couriers = Couriers(Mailer(), Pusher(failing=(failing, there)))
    await deliver(market.db, couriers, [await notice(kind="OUTBID")])
    statuses = sorted(row.status for row in await market.rows(DELIVERIES))
    assert statuses == ["PENDING", "SENT"]


async def test_who_is_suspended_meanwhile_gets_no_mail(market, notice):
    id = await notice()
    await market.run(
        "UPDATE user_account SET status = 'SUSPENDED' WHERE id = :id", id=market.buyers[0]
    )
    couriers = Couriers(Mailer(), None)
    await deliver(market.db, couriers, [id])
    assert couriers.mailer.sent == []
    assert [row.status for row in await market.rows(DELIVERIES)] == ["SKIPPED"]


async def test_many_people_are_told_by_one_job_however_often_it_runs(
    open_database, database_url, new_market
):
    market = await new_market(open_database(database_url), 20)
    unit = partial(notify, kind="ANNOUNCEMENT", user_ids=market.buyers, dedupe_key="news", facts={})
    await market.db.transaction(unit)
    [job] = await market.rows("SELECT payload FROM pgqueuer")
    for _ in range(2):
        await notify_people(market.db, job.payload)
    assert sorted(row.user_id for row in await market.rows(TOLD)) == sorted(market.buyers)


async def test_from_a_bid_to_the_outbox_by_a_worker(
    market, settings, database_url, tmp_path, eventually
):
    outbox = tmp_path / "outbox"
    couriers = Couriers(OutboxMailer(outbox, "Mela <mela@localhost>"), None)
    lot = await market.lot(ends_in_s=3600)
    await market.bid(lot, 1_000, buyer=0)
    async with (
        run_worker(settings, market.db, database_url, couriers=couriers),
        run_notifier(settings, market.db),
    ):
        await market.pass_end(lot)
        await close_at_end(market.db, lot)
        await eventually(lambda: len(list(outbox.glob("*.eml"))) == 2, within_s=60)
    mails = sorted(path.read_text() for path in outbox.glob("*.eml"))
    assert any("Subject: You won Bowl" in mail for mail in mails)
    assert any("Subject: Bowl is sold" in mail for mail in mails)
    assert {row.status for row in await market.rows(DELIVERIES)} <= {"SENT", "SENDING"}


async def test_notifications_go_after_half_a_year_with_their_deliveries(market, notice):
    old, young = await notice(), await notice()
    await market.run(
        "UPDATE notification SET created_at = now() - interval '180 days 1 minute' WHERE id = :id",
        id=old,
    )
    deleted = await delete_expired(market.db)
    assert deleted["notification"] == 1
    assert [row.id for row in await market.rows("SELECT id FROM notification")] == [young]
    left = await market.rows("SELECT notification_id FROM notification_delivery")
    assert [row.notification_id for row in left] == [young]
