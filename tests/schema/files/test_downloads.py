"""Digital products: their files, and downloads by who bought them, counted and ended."""

import asyncio
import io
import re
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from core.clock import utc_now
from core.files import UploadedFile
from core.ids import encode_id, new_id
from core.links import sign_link
from core.tokens import read_claims
from jobs.schedule import EVERY_HOUR, REMOVE_FILES
from jobs.worker import run_worker
from resolvers.downloads import LINK_PURPOSE
from services.auctions import closing, fulfilling, product_files, shop
from services.auctions.downloads import DOWNLOADS, GRANTED_FOR
from services.auctions.product_files import remove_files, set_product_file

SET_FILE = """
mutation($input: SetProductFileInput!) { setProductFile(input: $input) {
  __typename
  ... on SetProductFileSuccess { product { file { fileName size licence } } }
  ... on InvalidInput { field reason }
  ... on NotFound { what }
} }
"""
DOWNLOADS_OF = """
query($id: ID!) { node(id: $id) { ... on Order { downloads {
  fileName mediaType size licence sha256 expiresAt remaining url
} } } }
"""
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 2_000


@pytest.fixture
async def product(seller, open_stall, list_product):
    """A maker and the key of a digital product of theirs, at 10.00 USD."""
    maker = await seller()
    stall = await open_stall(maker)
    given = {"kind": "DIGITAL", "name": "Book", "price_minor": 1_000, "inventory_count": 100}
    return maker, await list_product(maker, stall, **given)


@pytest.fixture
def give_file(upload):
    async def run(maker, product_id, content=PDF, *, name=b"book.pdf", **given):
        given = {"productId": encode_id("prd", product_id), **given}
        answer = await upload(SET_FILE, maker, content, file_name=name, **given)
        return answer["setProductFile"]

    return run


@pytest.fixture
def buy(server):
    """`await buy(person, product)`: the order's key."""

    async def run(person, product_id):
        request = shop.purchase_request(
            product_id=product_id,
            buyer_id=person.id,
            quantity=1,
            unit_price_minor=1_000,
            asset="USD",
            idempotency_key=new_id().hex,
        )
        return await server.db.transaction(partial(shop.purchase_product, request=request))

    return run


@pytest.fixture
def refund(server):
    async def run(maker, order_id):
        request = fulfilling.refund_request(
            order_id=order_id, actor_id=maker.id, is_moderator=False, idempotency_key=new_id().hex
        )
        await server.db.transaction(partial(fulfilling.refund_order, request=request))

    return run


@pytest.fixture
def downloads(ask):
    async def run(person, order_id):
        node = (await ask(DOWNLOADS_OF, person, id=encode_id("ord", order_id)))["node"]
        return None if node is None else node["downloads"]

    return run


@pytest.fixture
async def bought(product, give_file, buy, make_user):
    """A maker, a buyer, and the key of the order of a file."""
    maker, product_id = product
    await give_file(maker, product_id, licence="For yourself.")
    buyer = await make_user("buyer")
    return maker, buyer, await buy(buyer, product_id)


def path_of(url):
    assert url.startswith("http://127.0.0.1:8000/downloads/")
    return url.removeprefix("http://127.0.0.1:8000")


async def counted(sql):
    """How often each grant was used, and what the log has."""
    counts = await sql("SELECT download_count FROM download_grant ORDER BY id")
    logged = await sql("SELECT count(*) FROM download_log")
    return [row[0] for row in counts], logged[0][0]


async def test_a_buyer_downloads_what_they_bought(bought, downloads, client, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    expires_at = download.pop("expiresAt")
    url = download.pop("url")
    assert len(download.pop("sha256")) == 64
    assert download == {
        "fileName": "book.pdf",
        "mediaType": "application/pdf",
        "size": len(PDF),
        "licence": "For yourself.",
        "remaining": 5,
    }
    [grant] = await sql("SELECT expires_at FROM download_grant")
    assert expires_at == grant.expires_at.isoformat().replace("+00:00", "Z")
    [made] = await sql("SELECT created_at FROM sale_order")
    assert grant.expires_at == made.created_at + timedelta(days=30)
    response = await client.get(path_of(url))
    assert (response.status_code, response.content) == (200, PDF)
    headers = response.headers
    assert headers["content-type"] == "application/pdf"
    assert headers["content-length"] == str(len(PDF))
    wanted = "attachment; filename=\"book.pdf\"; filename*=UTF-8''book.pdf"
    assert headers["content-disposition"] == wanted
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "private, no-store"
    assert "sandbox" in headers["content-security-policy"]
    assert [d["remaining"] for d in await downloads(buyer, order)] == [4]
    assert await counted(sql) == ([1], 1)


async def test_nobody_else_sees_a_download(bought, downloads, make_user):
    maker, _, order = bought
    moderator = await make_user("mod", roles=("MODERATOR",))
    assert await downloads(maker, order) == []
    assert await downloads(moderator, order) == []
    assert await downloads(await make_user("other"), order) is None
    assert await downloads(None, order) is None


async def test_a_link_is_all_that_is_needed_and_opens_nothing_else(
    bought, buy, downloads, client, product, make_user, sql
):
    _, buyer, order = bought
    other = await make_user("other")
    await buy(other, product[1])
    [download] = await downloads(buyer, order)
    path = path_of(download["url"])
    for person in (None, other):
        headers = {} if person is None else {"Authorization": f"Bearer {person.token}"}
        assert (await client.get(path, headers=headers)).content == PDF
    assert await counted(sql) == ([2, 0], 2)


def said_of(response):
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    return error["message"]


async def test_the_limit_holds_against_ten_at_once(bought, downloads, client, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    path = path_of(download["url"])
    responses = await asyncio.gather(*(client.get(path) for _ in range(10)))
    assert sorted(r.status_code for r in responses) == [200] * DOWNLOADS + [410] * 5
    assert {r.content for r in responses if r.status_code == 200} == {PDF}
    refusals = {said_of(r) for r in responses if r.status_code == 410}
    assert refusals == {"this was downloaded as often as it may be"}
    assert await counted(sql) == ([DOWNLOADS], DOWNLOADS)
    [download] = await downloads(buyer, order)
    assert (download["remaining"], download["url"]) == (0, None)


async def test_a_link_ends_after_a_quarter_of_an_hour(bought, downloads, client, server, sql):
    _, buyer, order = bought
    [grant] = await sql("SELECT id, expires_at FROM download_grant")
    old = sign_link(
        server.keys, LINK_PURPOSE, grant.id, expires_at=utc_now() - timedelta(seconds=1)
    )
    assert (await client.get(f"/downloads/{old}")).status_code == 410
    [download] = await downloads(buyer, order)
    token = path_of(download["url"]).removeprefix("/downloads/")
    left = read_claims(server.keys, token)["exp"] - utc_now().timestamp()
    assert 14 * 60 < left <= 15 * 60
    assert await counted(sql) == ([0], 0)


async def test_what_is_no_link_of_ours_is_not_found(bought, downloads, client, server, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    path = path_of(download["url"])
    unknown = sign_link(server.keys, LINK_PURPOSE, uuid4(), expires_at=utc_now() + timedelta(1))
    other = sign_link(server.keys, "other", uuid4(), expires_at=utc_now() + timedelta(1))
    statuses = {
        name: (await client.get(wrong)).status_code
        for name, wrong in {
            "changed": path[:-6] + "AAAAAA",
            "cut": path[:-10],
            "access token": f"/downloads/{buyer.token}",
            "other purpose": f"/downloads/{other}",
            "words": "/downloads/words",
            "traversal": "/downloads/..%2f..%2fetc%2fpasswd",
            "long": "/downloads/" + "x" * 6_000,
        }.items()
    }
    assert set(statuses.values()) == {404}, statuses
    assert (await client.get(f"/downloads/{unknown}")).status_code == 410
    assert (await client.post(path)).status_code == 405
    assert await counted(sql) == ([0], 0)


async def test_a_grant_ends_when_its_time_is_over(bought, downloads, client, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    await sql("UPDATE download_grant SET expires_at = clock_timestamp() - interval '1 second'")
    response = await client.get(path_of(download["url"]))
    assert (response.status_code, said_of(response)) == (410, "the time to download this is over")
    assert [d["url"] for d in await downloads(buyer, order)] == [None]
    assert await counted(sql) == ([0], 0)


async def test_a_refunded_order_gives_nothing_any_more(bought, downloads, client, refund, sql):
    maker, buyer, order = bought
    [download] = await downloads(buyer, order)
    assert (await client.get(path_of(download["url"]))).status_code == 200
    await refund(maker, order)
    response = await client.get(path_of(download["url"]))
    assert (response.status_code, said_of(response)) == (410, "the order was refunded")
    assert [d["url"] for d in await downloads(buyer, order)] == [None]
    assert await counted(sql) == ([1], 1)


async def test_to_ask_is_not_to_take(bought, downloads, client, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    path = path_of(download["url"])
    asked = await client.head(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == str(len(PDF))
    assert await counted(sql) == ([0], 0)
    part = await client.get(path, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (200, PDF)


async def test_a_file_that_cannot_be_read_costs_nothing(bought, downloads, client, stored, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    [path] = stored()
    path.unlink()
    assert (await client.get(path_of(download["url"]))).status_code == 503
    assert await counted(sql) == ([0], 0)


async def test_names_of_downloads_stay_in_their_header(
    product, give_file, buy, make_user, downloads, client
):
    maker, product_id = product
    name = 'a\\"b;%0d%0aX-Evil: 1; é.pdf'.encode()
    await give_file(maker, product_id, name=name)
    buyer = await make_user("buyer")
    order = await buy(buyer, product_id)
    [download] = await downloads(buyer, order)
    response = await client.get(path_of(download["url"]))
    assert response.status_code == 200
    assert "x-evil" not in response.headers
    disposition = response.headers["content-disposition"]
    assert re.fullmatch(
        r'attachment; filename="[^"\\%\r\n]+"; filename\*=UTF-8\'\'[A-Za-z0-9%._~-]+', disposition
    )


async def test_who_bought_before_there_was_a_file_gets_the_first(
    product, give_file, buy, make_user, downloads
):
    maker, product_id = product
    buyer = await make_user("buyer")
    order = await buy(buyer, product_id)
    assert await downloads(buyer, order) == []
    await give_file(maker, product_id)
    [download] = await downloads(buyer, order)
    assert (download["fileName"], download["remaining"]) == ("book.pdf", 5)


async def test_a_new_file_is_for_new_buyers_and_the_old_for_the_old(
    bought, product, give_file, buy, make_user, downloads, client, stored
):
    maker, buyer, order = bought
    answer = await give_file(maker, product[1], b"%PDF-1.7 second", name=b"second.pdf")
    assert answer["product"]["file"]["fileName"] == "second.pdf"
    later = await make_user("later")
    later_order = await buy(later, product[1])
    [first], [second] = await downloads(buyer, order), await downloads(later, later_order)
    assert (first["fileName"], second["fileName"]) == ("book.pdf", "second.pdf")
    assert (await client.get(path_of(first["url"]))).content == PDF
    assert (await client.get(path_of(second["url"]))).content == b"%PDF-1.7 second"
    assert len(stored()) == 2


async def test_the_same_file_again_changes_nothing(bought, product, give_file, untouched):
    maker, *_ = bought
    before = await untouched()
    answer = await give_file(maker, product[1], licence="For yourself.")
    assert answer["__typename"] == "SetProductFileSuccess"
    assert await untouched() == before


async def test_a_won_auction_gives_its_file(
    open_lot, give_file, make_user, bid, server, sql, downloads
):
    lot = await open_lot(product={"kind": "DIGITAL", "inventory_count": 3})
    await give_file(lot.seller, lot.product_id)
    buyer = await make_user("buyer")
    await bid(buyer, lot, 500)
    later = utc_now() + timedelta(hours=2)
    await server.db.transaction(partial(closing.close_auction, auction_id=lot.id, now=later))
    [order] = await sql("SELECT id, created_at FROM sale_order")
    [download] = await downloads(buyer, order.id)
    assert download["remaining"] == DOWNLOADS
    [grant] = await sql("SELECT expires_at FROM download_grant")
    assert grant.expires_at == order.created_at + GRANTED_FOR


async def test_what_is_sent_has_no_downloads(
    seller, open_stall, list_product, buy, make_user, downloads, sql
):
    maker = await seller()
    bowl = await list_product(maker, await open_stall(maker), price_minor=1_000)
    buyer = await make_user("buyer")
    assert await downloads(buyer, await buy(buyer, bowl)) == []
    assert await counted(sql) == ([], 0)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "file"),
        (b"<!doctype html><html><script>alert(1)</script>", "file"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "file"),
        (b"\x7fELF\2\1\1" + bytes(200), "file"),
        (b"MZ\x90\0\3\0\0\0" + bytes(200), "file"),
        (bytes(200), "file"),
    ],
    ids=["empty", "page", "drawing", "elf", "exe", "zeros"],
)
async def test_what_is_not_sold_as_a_file_is_refused(content, field, product, give_file, untouched):
    maker, product_id = product
    before = await untouched()
    answer = await give_file(maker, product_id, content, name=b"book.pdf")
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", field)
    assert await untouched() == before


async def test_a_file_is_set_by_who_sells_a_digital_product_there(
    product, seller, open_stall, list_product, give_file, untouched, sql
):
    maker, product_id = product
    other = await seller()
    bowl = await list_product(other, await open_stall(other))
    gone = await list_product(other, await open_stall(other), kind="DIGITAL")
    await sql("UPDATE product SET deleted_at = now() WHERE id = :id", id=gone)
    before = await untouched()
    for person, wanted_product, given, wanted in (
        (other, product_id, {}, "Forbidden"),
        (other, bowl, {}, "InvalidInput"),
        (other, gone, {}, "NotFound"),
        (other, new_id(), {}, "NotFound"),
        (maker, product_id, {"licence": "x" * 10_001}, "InvalidInput"),
        (maker, product_id, {"licence": "a\0b"}, "InvalidInput"),
    ):
        answer = await give_file(person, wanted_product, **given)
        assert answer["__typename"] == wanted, wanted
    assert await untouched() == before


async def test_files_set_at_once_leave_one(product, give_file, server, stored, sql):
    maker, product_id = product
    contents = [b"%PDF-1.7 number " + bytes([n]) for n in range(5)]
    answers = await asyncio.gather(*(give_file(maker, product_id, each) for each in contents))
    assert {answer["__typename"] for answer in answers} == {"SetProductFileSuccess"}
    current = "SELECT storage_key FROM product_file WHERE replaced_at IS NULL"
    [[key]] = await sql(f"{current} AND stored_at IS NOT NULL")
    assert len(stored()) == 5
    assert await remove_files(server.db, server.storage) == 4
    assert [path.name for path in stored()] == [key.rpartition("/")[2]]


async def test_a_stall_has_only_so_much_room(product, give_file, untouched, monkeypatch):
    maker, product_id = product
    monkeypatch.setattr(product_files, "MAX_STALL_BYTES", len(PDF) + 20)
    await give_file(maker, product_id)
    before = await untouched()
    answer = await give_file(maker, product_id, b"%PDF-1.7 and twelve more")
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "file")
    assert await untouched() == before
    answer = await give_file(maker, product_id, b"%PDF-1.7 and one", name=b"second.pdf")
    assert answer["__typename"] == "SetProductFileSuccess"


class Broken:
    """A storage that fails: `after` it has kept the file, or before."""

    def __init__(self, storage, *, after):
        self.storage, self.after = storage, after

    async def put(self, key, content):
        if self.after:
            await self.storage.put(key, content)
        raise OSError("the disk is full")

    async def delete(self, key):
        await self.storage.delete(key)


@pytest.mark.parametrize("after", [False, True])
async def test_a_storage_that_fails_leaves_nothing(after, product, server, untouched):
    maker, product_id = product
    before = await untouched()
    file = UploadedFile("book.pdf", "application/pdf", len(PDF), io.BytesIO(PDF))
    with pytest.raises(OSError, match="the disk is full"):
        await set_product_file(
            server.db,
            Broken(server.storage, after=after),
            viewer_id=maker.id,
            product_id=product_id,
            file=file,
            licence="",
        )
    assert await untouched() == before


async def test_files_are_removed_when_nobody_may_have_them(
    bought, product, give_file, refund, server, stored, sql, downloads
):
    maker, buyer, order = bought
    remove = partial(remove_files, server.db, server.storage)
    [first] = stored()
    assert await remove() == 0
    await give_file(maker, product[1], b"%PDF-1.7 second", name=b"second.pdf")
    assert (await remove(), len(stored())) == (0, 2)  # its buyer may have it still
    await refund(maker, order)
    assert (await remove(), await remove()) == (1, 0)
    assert [path for path in stored() if path == first] == []
    await sql("UPDATE product SET deleted_at = now()")
    assert await remove() == 1
    assert stored() == []
    assert [d["url"] for d in await downloads(buyer, order)] == [None]


async def test_what_was_lost_on_its_way_is_removed(product, server, stored, sql):
    _, product_id = product
    key = "products/" + new_id().hex
    await server.storage.put(key, io.BytesIO(PDF))
    await sql(
        "INSERT INTO product_file (id, product_id, storage_key, file_name, media_type, size_bytes,"
        " sha256, created_at) VALUES (:id, :product, :key, 'x', 'x/y', 1, :sha,"
        " now() - interval '23 hours')",
        id=new_id(),
        product=product_id,
        key=key,
        sha=bytes(32),
    )
    assert await remove_files(server.db, server.storage) == 0
    await sql("UPDATE product_file SET created_at = now() - interval '25 hours'")
    assert await remove_files(server.db, server.storage) == 1
    assert stored() == []


async def test_the_worker_removes_files_when_their_hour_has_come(
    product, give_file, server, settings, stored, sql
):
    maker, product_id = product
    await give_file(maker, product_id)
    await sql("UPDATE product SET deleted_at = now()")
    await sql(
        "INSERT INTO pgqueuer_schedules (expression, next_run, entrypoint)"
        " VALUES (:expression, now(), :name)",
        expression=EVERY_HOUR,
        name=REMOVE_FILES,
    )
    url = settings.database_url.get_secret_value()
    async with run_worker(settings, server.db, url, storage=server.storage) as worker:
        async with asyncio.timeout(20):
            while not worker.runs[REMOVE_FILES, "ok"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert stored() == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE download_log SET at = now()", "DELETE FROM download_log", "TRUNCATE download_log"],
)
async def test_the_log_of_downloads_only_grows(statement, bought, downloads, client, sql):
    _, buyer, order = bought
    [download] = await downloads(buyer, order)
    await client.get(path_of(download["url"]))
    with pytest.raises(DBAPIError, match="a download stays told"):
        await sql(statement)
    assert await counted(sql) == ([1], 1)


async def test_a_page_of_orders_reads_its_downloads_in_one_statement(
    product, give_file, buy, make_user, ask, statements
):
    maker, product_id = product
    await give_file(maker, product_id)
    buyer = await make_user("buyer")
    for _ in range(3):
        await buy(buyer, product_id)
    statements.clear()
    data = await ask(
        "{ me { orders { nodes { downloads { remaining url } product { file { size } } } } } }",
        buyer,
    )
    nodes = data["me"]["orders"]["nodes"]
    assert [len(node["downloads"]) for node in nodes] == [1, 1, 1]
    assert {node["product"]["file"]["size"] for node in nodes} == {len(PDF)}
    assert len([sent for sent in statements if "FROM download_grant" in sent]) == 1
    assert len([sent for sent in statements if "FROM product_file" in sent]) == 1
