"""Import and export of products, changed stalls and deleted products, over GraphQL."""

import csv
import io
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.clock import utc_now
from core.ids import encode_id, new_id
from services.auctions import importing
from services.auctions.sheet import COLUMNS

IMPORT = """
mutation($input: ImportProductsInput!) { importProducts(input: $input) {
  __typename
  ... on ImportProductsSuccess { createdCount updatedCount unchangedCount stall { id } }
  ... on ImportRefused { code message errorCount errors { row column reason } }
  ... on InvalidInput { field reason }
  ... on NotFound { what }
} }
"""
EXPORT = """
mutation($input: ExportProductsInput!) { exportProducts(input: $input) {
  __typename
  ... on ExportProductsSuccess { csv rowCount nextAfter }
  ... on NotFound { what }
} }
"""
HEADER = ["id", *(column.name for column in COLUMNS)]


def sheet_of(*rows, header=("kind", "name", "category", "asset")):
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


def lines_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
async def stall(seller, open_stall):
    """A maker, their stall's key and its public id."""
    maker = await seller()
    key = await open_stall(maker)
    return maker, key, encode_id("stl", key)


@pytest.fixture
def bring(upload):
    async def run(maker, stall_id, content, **given):
        return (await upload(IMPORT, maker, content, stallId=stall_id, **given))["importProducts"]

    return run


@pytest.fixture
def take(ask):
    async def run(maker, stall_id, after=None):
        given = {"stallId": stall_id, "after": after}
        return (await ask(EXPORT, maker, input=given))["exportProducts"]

    return run


async def test_new_rows_become_products(bring, stall, sql):
    maker, key, public = stall
    sheet = sheet_of(
        ["PHYSICAL", "Bowl", "Pottery", "USD", "12.50", "3", "1", "FR", "blue; round", "Of clay."],
        ["DIGITAL", "Song", "Music", "JPY", "500", "0", "0", "", "", ""],
        header=[
            *("kind", "name", "category", "asset", "price", "inventoryCount"),
            *("lowStockThreshold", "region", "tags", "description"),
        ],
    )
    answer = await bring(maker, public, sheet)
    assert answer == {
        "__typename": "ImportProductsSuccess",
        "createdCount": 2,
        "updatedCount": 0,
        "unchangedCount": 0,
        "stall": {"id": public},
    }
    rows = await sql(
        "SELECT stall_id, kind, name, price_minor, inventory_count, region, tags, description"
        " FROM product ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [
        (key, "PHYSICAL", "Bowl", 1250, 3, "FR", ["blue", "round"], "Of clay."),
        (key, "DIGITAL", "Song", 500, 0, None, [], ""),
    ]
    events = await sql("SELECT type FROM event WHERE type LIKE 'Product%'")
    assert [row.type for row in events] == ["ProductCreated", "ProductCreated"]


async def test_rows_with_an_id_change_what_the_sheet_has_and_nothing_else(
    bring, stall, list_product, sql
):
    maker, key, public = stall
    kept, changed = [
        await list_product(maker, key, price_minor=1_000, description="As it was", tags=["old"])
        for _ in range(2)
    ]
    header = ["id", "name", "price", "tags"]
    rows = [
        [encode_id("prd", kept), "Bowl", "10.00", "old"],
        [encode_id("prd", changed), "Cup", "", ""],
    ]
    answer = await bring(maker, public, sheet_of(*rows, header=header))
    assert (answer["createdCount"], answer["updatedCount"], answer["unchangedCount"]) == (0, 1, 1)
    found = await sql("SELECT name, price_minor, tags, description FROM product ORDER BY id")
    assert [tuple(row) for row in found] == [
        ("Bowl", 1_000, ["old"], "As it was"),
        ("Cup", None, [], "As it was"),
    ]
    told = await sql("SELECT payload FROM event WHERE type = 'ProductChanged'")
    assert [row.payload["product"] for row in told] == [changed.hex]


async def test_what_is_wrong_is_told_row_by_row_and_nothing_is_imported(
    bring, stall, list_product, seller, open_stall, untouched
):
    maker, key, public = stall
    mine = await list_product(maker, key)
    other = await seller()
    foreign = await list_product(other, await open_stall(other))
    header = ["id", "kind", "name", "category", "asset", "price", "inventoryCount", "region"]
    good = ["", "PHYSICAL", "Bowl", "Pottery", "USD", "1.00", "1", ""]
    before = await untouched()
    answer = await bring(
        maker,
        public,
        sheet_of(
            good,
            ["", "VIRTUAL", "", "Pottery", "XAU", "1.00", "1", "fr"],
            ["", "PHYSICAL", "Bowl", "Pottery", "USD", "1.001", "2000000", ""],
            ["", "PHYSICAL", "Bowl", "Pottery", "JPY", "100000000", "1", ""],
            [encode_id("prd", foreign), *good[1:]],
            [encode_id("prd", mine), *good[1:]],
            [encode_id("prd", mine), *good[1:]],
            [encode_id("prd", new_id()), *good[1:]],
            header=header,
        ),
    )
    assert answer["__typename"] == "ImportRefused"
    assert answer["code"] == "IMPORT_REFUSED"
    found = [(error["row"], error["column"]) for error in answer["errors"]]
    assert found == [
        (3, "kind"),
        (3, "asset"),
        (3, "name"),
        (3, "region"),
        (4, "price"),
        (4, "inventoryCount"),
        (5, "price"),
        (6, "id"),
        (8, "id"),
        (9, "id"),
    ]
    assert answer["errorCount"] == len(found)
    assert all(len(error["reason"]) > 5 for error in answer["errors"])
    assert await untouched() == before


async def test_a_hundred_faults_are_listed_and_all_are_counted(bring, stall, untouched):
    maker, _, public = stall
    before = await untouched()
    answer = await bring(maker, public, sheet_of(*[["NONE", "", "", ""]] * 60))
    assert len(answer["errors"]) == 100
    assert answer["errorCount"] == 240
    assert await untouched() == before


async def test_a_new_product_needs_what_a_product_needs(bring, stall, untouched):
    maker, _, public = stall
    before = await untouched()
    answer = await bring(maker, public, sheet_of(["Bowl"], header=["name"]))
    assert [(error["row"], error["column"]) for error in answer["errors"]] == [
        (2, "kind"),
        (2, "category"),
        (2, "asset"),
    ]
    assert await untouched() == before


async def test_kind_and_asset_stay_while_an_auction_runs(bring, open_lot, untouched, sql):
    lot = await open_lot()
    product, public = encode_id("prd", lot.product_id), encode_id("stl", lot.stall_id)
    before = await untouched()
    changed = sheet_of([product, "DIGITAL", "EUR"], header=["id", "kind", "asset"])
    answer = await bring(lot.seller, public, changed)
    assert [(e["row"], e["column"]) for e in answer["errors"]] == [(2, "kind"), (2, "asset")]
    assert await untouched() == before
    same = sheet_of([product, "PHYSICAL", "Cup"], header=["id", "kind", "name"])
    assert (await bring(lot.seller, public, same))["updatedCount"] == 1


async def test_another_asset_needs_another_price(bring, stall, list_product, untouched):
    maker, key, public = stall
    product = await list_product(maker, key, price_minor=1_000)
    before = await untouched()
    sheet = sheet_of([encode_id("prd", product), "JPY"], header=["id", "asset"])
    answer = await bring(maker, public, sheet)
    assert [(e["row"], e["column"]) for e in answer["errors"]] == [(2, "price")]
    assert await untouched() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\0\0", b"name\r\n\xff", b"x" * (2 * 1024 * 1024 + 1)],
    ids=["empty", "png", "latin", "large"],
)
async def test_what_is_no_sheet_is_refused(content, bring, stall, untouched):
    maker, _, public = stall
    before = await untouched()
    answer = await bring(maker, public, content)
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "file")
    assert await untouched() == before


async def test_only_who_sells_there_imports_and_exports(
    bring, take, stall, seller, send, files, untouched, execute, make_user, shapes
):
    maker, _, public = stall
    other, buyer = await seller(), await make_user("buyer")
    before = await untouched()
    sheet = sheet_of(["PHYSICAL", "Bowl", "Pottery", "USD"])
    assert (await bring(other, public, sheet))["__typename"] == "Forbidden"
    assert (await bring(maker, encode_id("stl", new_id()), sheet))["what"] == "stall"
    assert (await take(other, public))["__typename"] == "Forbidden"
    assert (await take(maker, "stl_1"))["what"] == "stall"
    parts = files.upload_of(IMPORT, {"input": {"stallId": public, "file": None}}, sheet)
    refused = await send(files.form_of(*parts), buyer)
    assert shapes.codes(refused.json()) == ["FORBIDDEN"]
    result = await execute(EXPORT, buyer, input={"stallId": public})
    assert shapes.codes(result) == ["FORBIDDEN"]
    assert await untouched() == before


async def test_a_key_makes_a_repeated_import_harmless(bring, stall, sql):
    maker, _, public = stall
    sheet = sheet_of(["PHYSICAL", "Bowl", "Pottery", "USD"])
    first = await bring(maker, public, sheet, idempotencyKey="once")
    assert first["createdCount"] == 1
    assert await bring(maker, public, sheet, idempotencyKey="once") == first
    other = sheet_of(["PHYSICAL", "Cup", "Pottery", "USD"])
    again = await bring(maker, public, other, idempotencyKey="once")
    assert again["__typename"] == "IdempotencyConflict"
    assert [row.name for row in await sql("SELECT name FROM product")] == ["Bowl"]


awkward = st.text(
    st.one_of(
        st.sampled_from("=+-@\t\r\n'\";,\\ \ufeff"),
        st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
    ),
    max_size=20,
)


@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(given=st.lists(st.tuples(awkward, awkward, st.none() | st.integers(1, 10**9)), max_size=4))
async def test_what_is_exported_imports_as_no_change(given, bring, take, stall, list_product, sql):
    maker, key, public = stall
    for description, tag, price in given:
        visible = "=" + "".join(c for c in tag if c.isprintable())
        details = {"description": description, "tags": [visible], "price_minor": price}
        await list_product(maker, key, **details)
    before = await sql("SELECT CAST(p AS text) FROM product AS p ORDER BY id")
    events = await sql("SELECT count(*) FROM event")
    sheet = await take(maker, public)
    assert sheet["rowCount"] == len(before)
    answer = await bring(maker, public, sheet["csv"].encode())
    assert (answer["createdCount"], answer["updatedCount"]) == (0, 0)
    assert answer["unchangedCount"] == len(before)
    assert await sql("SELECT CAST(p AS text) FROM product AS p ORDER BY id") == before
    assert await sql("SELECT count(*) FROM event") == events
    for line in csv.reader(io.StringIO(sheet["csv"], newline="")):
        assert [cell for cell in line if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []


async def test_a_large_stall_is_exported_piece_by_piece(
    take, stall, list_product, monkeypatch, statements
):
    maker, key, public = stall
    listed = [await list_product(maker, key, name=f"Bowl {n}") for n in range(7)]
    monkeypatch.setattr(importing, "MAX_ROWS", 3)
    monkeypatch.setattr(importing, "READ_AT_ONCE", 2)
    found, after, pages = [], None, 0
    while pages == 0 or after is not None:
        sheet = await take(maker, public, after)
        lines = lines_of(sheet["csv"])
        assert len(lines) == sheet["rowCount"] <= 3
        found += [line["id"] for line in lines]
        after, pages = sheet["nextAfter"], pages + 1
    assert found == [encode_id("prd", product) for product in listed]
    assert pages == 3
    monkeypatch.undo()
    statements.clear()
    sheet = await take(maker, public)
    assert sheet["rowCount"] == 7
    assert len([sent for sent in statements if "FROM product" in sent]) == 1


@pytest.mark.slow
async def test_five_thousand_rows_are_imported_in_seconds(bring, stall, sql, take):
    maker, _, public = stall
    rows = [["PHYSICAL", f"Bowl {n}", "Pottery", "USD"] for n in range(5_000)]
    began = utc_now()
    assert (await bring(maker, public, sheet_of(*rows)))["createdCount"] == 5_000
    sheet = await take(maker, public)
    assert (sheet["rowCount"], sheet["nextAfter"]) == (5_000, None)
    assert (await bring(maker, public, sheet["csv"].encode()))["unchangedCount"] == 5_000
    assert utc_now() - began < timedelta(seconds=60)
    assert [tuple(row) for row in await sql("SELECT count(*) FROM product")] == [(5_000,)]


UPDATE = """
mutation($input: UpdateStallInput!) { updateStall(input: $input) {
  __typename
  ... on UpdateStallSuccess { stall { name description slug theme active } }
  ... on SlugTaken { slug }
  ... on InvalidInput { field }
} }
"""
DELETE = """
mutation($input: DeleteProductInput!) { deleteProduct(input: $input) {
  __typename
  ... on DeleteProductSuccess { product { id deletedAt } }
  ... on InvalidInput { field reason }
  ... on NotFound { what }
} }
"""


async def test_a_stall_is_changed_in_what_is_given(ask, stall, sql):
    maker, key, public = stall
    given = {"stallId": public, "name": "New", "theme": {"ink": "blue"}}
    answer = (await ask(UPDATE, maker, input=given))["updateStall"]["stall"]
    assert (answer["name"], answer["theme"], answer["slug"]) == ("New", {"ink": "blue"}, "stall-1")
    told = await sql("SELECT type, payload FROM event WHERE type = 'StallChanged'")
    assert [row.payload for row in told] == [{"stall": key.hex, "active": True}]
    await ask(UPDATE, maker, input=given)
    assert len(await sql("SELECT 1 FROM event WHERE type = 'StallChanged'")) == 1


async def test_a_stall_closes_and_opens_again(ask, bring, stall, untouched):
    maker, _, public = stall
    closed = await ask(UPDATE, maker, input={"stallId": public, "active": False})
    assert closed["updateStall"]["stall"]["active"] is False
    before = await untouched()
    answer = await bring(maker, public, sheet_of(["PHYSICAL", "Bowl", "Pottery", "USD"]))
    assert answer["what"] == "stall"
    assert await untouched() == before
    opened = await ask(UPDATE, maker, input={"stallId": public, "active": True})
    assert opened["updateStall"]["stall"]["active"] is True


async def test_changes_of_a_stall_are_refused_whole(
    ask, stall, seller, open_stall, open_lot, untouched, sql
):
    maker, _, public = stall
    other = await seller()
    await open_stall(other, slug="taken")
    lot = await open_lot()
    busy = {"stallId": encode_id("stl", lot.stall_id), "active": False}
    before = await untouched(), await sql("SELECT CAST(s AS text) FROM stall AS s ORDER BY id")
    for person, changes, wanted in (
        (maker, {"slug": "taken", "name": "New"}, "SlugTaken"),
        (maker, {"slug": "Not A Slug"}, "InvalidInput"),
        (maker, {"name": " "}, "InvalidInput"),
        (maker, {"theme": {"x": "y" * 5_000}}, "InvalidInput"),
        (other, {"name": "Mine"}, "Forbidden"),
        (maker, {"stallId": encode_id("stl", new_id()), "name": "New"}, "NotFound"),
        (lot.seller, busy, "InvalidInput"),
    ):
        answer = await ask(UPDATE, person, input={"stallId": public, **changes})
        assert answer["updateStall"]["__typename"] == wanted
    after = await untouched(), await sql("SELECT CAST(s AS text) FROM stall AS s ORDER BY id")
    assert after == before


PUT_UP = """
mutation($input: CreateAuctionInput!) {
  createAuction(input: $input) { __typename ... on CreateAuctionSuccess { auction { id } } }
}
"""
TAKE_BACK = """
mutation($input: CancelAuctionInput!) { cancelAuction(input: $input) { __typename } }
"""
SEEN = """
query($id: ID!, $slug: String!) {
  product(id: $id) { id }
  node(id: $id) { id }
  stall(slug: $slug) { products { totalCount nodes { id } } }
}
"""


async def test_a_deleted_product_is_seen_nowhere_but_where_it_was_sold(
    ask, take, stall, list_product, sql
):
    maker, key, public = stall
    kept, gone = [await list_product(maker, key) for _ in range(2)]
    terms = {"startingPrice": "1", "endsAt": (utc_now() + timedelta(hours=1)).isoformat()}
    put_up = await ask(PUT_UP, maker, input={"productId": encode_id("prd", gone), **terms})
    lot = put_up["createAuction"]["auction"]["id"]
    await ask(TAKE_BACK, maker, input={"auctionId": lot})
    answer = (await ask(DELETE, maker, input={"productId": encode_id("prd", gone)}))[
        "deleteProduct"
    ]
    assert answer["product"]["id"] == encode_id("prd", gone)
    assert answer["product"]["deletedAt"] is not None
    seen = await ask(SEEN, None, id=encode_id("prd", gone), slug="stall-1")
    products = {"totalCount": 1, "nodes": [{"id": encode_id("prd", kept)}]}
    assert seen == {"product": None, "node": None, "stall": {"products": products}}
    lots = await ask("{ auctions { nodes { product { id name } } } }")
    assert lots["auctions"]["nodes"] == [
        {"product": {"id": encode_id("prd", gone), "name": "Bowl"}}
    ]
    assert [line["id"] for line in lines_of((await take(maker, public))["csv"])] == [
        encode_id("prd", kept)
    ]
    told = await sql("SELECT payload FROM event WHERE type = 'ProductDeleted'")
    assert [row.payload["product"] for row in told] == [gone.hex]
    again = await ask(DELETE, maker, input={"productId": encode_id("prd", gone)})
    assert again["deleteProduct"] == {"__typename": "NotFound", "what": "product"}


async def test_a_product_stays_while_an_auction_of_it_runs_and_for_others(
    ask, open_lot, seller, untouched
):
    lot, other = await open_lot(), await seller()
    given = {"productId": encode_id("prd", lot.product_id)}
    before = await untouched()
    answer = (await ask(DELETE, lot.seller, input=given))["deleteProduct"]
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "productId")
    assert (await ask(DELETE, other, input=given))["deleteProduct"]["__typename"] == "Forbidden"
    assert await untouched() == before


async def test_a_deleted_product_cannot_be_imported_or_put_up(ask, bring, stall, list_product):
    maker, key, public = stall
    product = encode_id("prd", await list_product(maker, key))
    await ask(DELETE, maker, input={"productId": product})
    answer = await bring(maker, public, sheet_of([product, "Cup"], header=["id", "name"]))
    assert [(e["row"], e["column"]) for e in answer["errors"]] == [(2, "id")]
    terms = {"startingPrice": "1", "endsAt": (utc_now() + timedelta(hours=1)).isoformat()}
    lot = await ask(PUT_UP, maker, input={"productId": product, **terms})
    assert lot["createAuction"] == {"__typename": "NotFound"}
