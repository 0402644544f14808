"""Platforms' webhooks over HTTP: taken once, forged ones refused, all or nothing of a message."""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import orjson
import pytest
from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette

from core.ids import encode_id, new_id
from core.settings import Settings
from jobs.platforms import start_polls
from jobs.retention import delete_expired
from services.content.availability import apply_reports
from services.content.offers import OfferReport
from services.content.viewing import add_to_watchlist
from web.availability_webhooks import availability_webhook_routes

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
async def client(db):
    settings = Settings(platform_webhook_secrets={"moon": SECRET, "gone": SECRET})
    app = Starlette(routes=availability_webhook_routes(SimpleNamespace(db=db, settings=settings)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as made:
        yield made


@pytest.fixture
def post(client):
    """`await post([offer, …])`: the answer to a Standard Webhook, signed by our secret."""

    async def send(offers, *, id="msg_1", at=None, secret=SECRET, to="moon", sent=None, **more):
        message = {"type": "availability.changed", "data": {"offers": offers}}
        body = orjson.dumps(message).decode()
        at = at or datetime.now(UTC)
        signed = {
            "webhook-id": id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(id, at, body),
        } | {name.replace("_", "-"): value for name, value in more.items()}
        url = f"/webhooks/availability/{to}"
        return await client.post(url, content=sent or body, headers=signed)

    return send


@pytest.fixture
def post_hex(client):
    """`await post_hex({…})`: the answer to a message with `x-platform-signature`."""

    async def send(message, *, secret=SECRET, signature=None):
        body = orjson.dumps(message)
        made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-platform-signature": made if signature is None else signature}
        return await client.post("/webhooks/availability/moon", content=body, headers=headers)

    return send


def offer(number=1, tier="RENT", region="FR", **fields):
    price = {"amount": "3.99", "asset": "EUR"}
    return {"imdbId": f"tt{number:07}", "region": region, "tier": tier, "price": price} | fields


async def test_a_message_is_taken_once(titles, make_platform, post, sql, told, run_jobs, platforms):
    await titles()
    await make_platform()
    answers = [await post([offer()]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json() for answer in answers] == [
        {"taken": True, "changes": 1, "unknown": 0},
        {"taken": False, "changes": 0, "unknown": 0},
        {"taken": False, "changes": 0, "unknown": 0},
    ]
    assert (await told())[0] == ["ADDED"]
    rows = await sql("SELECT tier, price_minor, asset, source FROM availability")
    assert [tuple(row) for row in rows] == [("RENT", 399, "EUR", "WEBHOOK")]


async def test_a_replay_does_not_undo_what_came_after(titles, make_platform, post, do, told):
    [key], moon = await titles(), await make_platform()
    await post([offer()])
    await do(apply_reports, reports=[OfferReport(key, moon, "FR", "RENT", False)], source="MANUAL")
    assert (await post([offer()])).json()["taken"] is False
    assert (await told())[0] == ["ADDED", "REMOVED"]


async def test_messages_at_once_are_taken_once(titles, make_platform, post, told):
    await titles()
    await make_platform()
    answers = await asyncio.gather(*(post([offer()]) for _ in range(8)))
    assert sorted(answer.json()["taken"] for answer in answers) == [False] * 7 + [True]
    assert (await told())[0] == ["ADDED"]


FORGED = [
    {"secret": OTHER},
    {"at": datetime.now(UTC) - timedelta(minutes=10)},
    {"at": datetime.now(UTC) + timedelta(minutes=60)},
    {"sent": b'{"data": {"offers": []}}'},
    {"sent": b"\xff\xfe"},
    {"webhook_signature": "v1"},
    {"webhook_signature": "v1,!!"},
    {"webhook_signature": ""},
    {"webhook_id": "msg_other"},
    {"webhook_timestamp": "yesterday"},
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: str(forged)[:40])
async def test_forged_old_or_malformed_messages_change_nothing(
    titles, make_platform, post, sql, told, forged
):
    await titles()
    await make_platform()
    before = await told()
    assert (await post([offer()], **forged)).status_code == 401
    for table in ("availability", "platform_message", "pgqueuer"):
        assert await sql(f"SELECT 1 FROM {table}") == []
    assert await told() == before


async def test_platforms_without_a_secret_or_a_row_are_not_found(titles, make_platform, post, sql):
    await titles()
    await make_platform()
    await make_platform("sun")
    for slug in ("sun", "gone", "nowhere", "moon%2F.."):
        assert (await post([offer()], to=slug)).status_code == 404, slug
    await sql("UPDATE platform SET active = false")
    assert (await post([offer()])).status_code == 404
    assert await sql("SELECT 1 FROM availability") == []


BAD = {
    "nothing": [],
    "no list": {"a": 1},
    "no object": [5],
    "no title": [{"region": "FR", "tier": "FREE"}],
    "two titles": [offer(titleId=encode_id("ttl", new_id()))],
    "a bad id": [{"titleId": "usr_1", "region": "FR", "tier": "FREE"}],
    "NUL": [offer(imdbId="tt\0")],
    "region": [offer(region="XX")],
    "no region": [{"imdbId": "tt0000001", "tier": "FREE"}],
    "tier": [offer(tier="THEFT")],
    "price": [offer(price={"amount": 3.99, "asset": "EUR"})],
    "cents of cents": [offer(price={"amount": "3.999", "asset": "EUR"})],
    "asset": [offer(price={"amount": "1", "asset": "XXX"})],
    "link": [offer(link="javascript:alert(1)")],
    "available": [offer(available="no")],
    "no zone": [offer(availableUntil="2030-01-01T00:00:00")],
    "twice": [offer(), offer(available=False)],
    "too many": [offer(n) for n in range(1, 1_002)],
}


@pytest.mark.parametrize("name", BAD)
async def test_one_bad_offer_and_nothing_of_the_message_is_taken(
    titles, make_platform, post, sql, name
):
    await titles(2)
    await make_platform()
    bad = BAD[name]
    offers = [offer(2), *bad] if isinstance(bad, list) and bad else bad
    assert (await post(offers)).status_code == 422
    for table in ("availability", "platform_message"):
        assert await sql(f"SELECT 1 FROM {table}") == []
    assert (await post([offer()])).json()["taken"] is True  # its id is not used up


async def test_a_large_message_is_taken_in_parts_and_its_rest_when_it_comes_again(
    titles, make_platform, post, sql, told
):
    await titles(25)
    await make_platform()
    offers = [offer(n) for n in range(1, 28)]
    assert (await post(offers)).json() == {"taken": True, "changes": 25, "unknown": 2}
    await sql("DELETE FROM platform_message WHERE part = 1")  # as if a crash had left it out
    await sql("UPDATE availability SET available = false")
    assert (await post(offers)).json() == {"taken": True, "changes": 10, "unknown": 2}
    assert (await told())[0] == ["ADDED"] * 35


async def test_titles_go_by_any_of_their_numbers(titles, make_platform, post, sql):
    one, two, three = await titles(3)
    await make_platform()
    base = {"region": "FR", "tier": "FREE"}
    offers = [
        {"titleId": encode_id("ttl", one), **base},
        {"tmdbId": "2", **base},
        {"imdbId": "tt0000003", **base},
        {"tmdbId": "1", "kind": "SERIES", **base},
    ]
    assert (await post(offers)).json() == {"taken": True, "changes": 3, "unknown": 1}
    rows = await sql("SELECT title_id FROM availability ORDER BY title_id")
    assert [row.title_id for row in rows] == sorted([one, two, three])


async def test_the_other_signature_is_taken_once_too(titles, make_platform, post_hex, sql, told):
    await titles()
    await make_platform()
    now = datetime.now(UTC)
    message = {"id": "m-1", "timestamp": now.isoformat(), "data": {"offers": [offer()]}}
    for expected in (True, False):
        assert (await post_hex(message)).json()["taken"] is expected
    for bad in ("", "0" * 64, "é", "x"):
        assert (await post_hex(message | {"id": "m-2"}, signature=bad.encode())).status_code == 401
    assert (await post_hex(message | {"id": "m-2"}, secret=OTHER)).status_code == 401
    old = message | {"id": "m-3", "timestamp": (now - timedelta(minutes=6)).timestamp()}
    assert (await post_hex(old)).status_code == 401
    for unreadable in ("soon", 1e300):
        assert (await post_hex(old | {"timestamp": unreadable})).status_code == 401
    assert (await told())[0] == ["ADDED"]


async def test_what_tells_no_time_is_remembered_for_ever(
    titles, make_platform, post_hex, post, db, sql
):
    await titles()
    await make_platform()
    undated = {"data": {"offers": [offer()]}}
    assert (await post_hex(undated)).json()["taken"] is True
    assert (await post([offer()])).json() == {"taken": True, "changes": 0, "unknown": 0}
    await sql(
        "UPDATE platform_message SET received_at = now() - interval '9 years',"
        " expires_at = expires_at - interval '9 years'"
    )
    assert (await delete_expired(db))["platform_message"] == 1
    assert (await post_hex(undated)).json()["taken"] is False


async def test_two_titles_by_webhook_poll_and_hand_tell_each_watcher_once(
    titles, make_user, make_platform, post, do, platforms, run_jobs, db, told
):
    one, two = await titles(2)
    moon = await make_platform()
    ada, german = await make_user("FR"), await make_user("DE")
    for user in (ada, german):
        for key in (one, two):
            await do(add_to_watchlist, viewer_id=user, title_id=key)

    async def by_hand(key, **fields):
        report = OfferReport(key, moon, "FR", "RENT", **fields)
        await do(apply_reports, reports=[report], source="MANUAL")

    async def by_poll(*keys, **fields):
        platforms.said.offers = {key: {"RENT": fields} for key in keys}
        await start_polls(db, "FULL")
        await run_jobs(platforms)

    price, less = ({"price_minor": n, "asset": "EUR"} for n in (399, 299))
    await post([offer(1), offer(2)], id="a")  # both are added
    await post([offer(1), offer(2)], id="a")  # replayed
    await post([offer(1), offer(2)], id="b")  # said again
    await by_poll(one, two, **price)  # nothing new
    await by_hand(one, **less)  # one is cheaper
    await by_hand(one, **less)
    await by_poll(one, **less)  # two is gone
    await post([offer(1, available=False)], id="c")  # one is gone
    await post([offer(1, available=False)], id="d", secret=OTHER)  # forged
    await by_poll()  # and stays so
    await run_jobs(platforms)
    changes, pushes, notes = await told()
    kinds = ["ADDED", "ADDED", "PRICE_CHANGED", "REMOVED", "REMOVED"]
    assert changes == kinds
    me = f"user:{ada.hex}"
    assert sorted(pushes) == [(me, kind) for kind in kinds]
    assert sorted(notes) == [(me, kind) for kind in kinds]
