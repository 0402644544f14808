"""Changing stalls, products and auctions: who may, within which limits, and that a refusal writes
nothing."""

from datetime import timedelta

import pytest

from core.clock import utc_now
from core.ids import encode_id
from services.users.access import scopes_of


def operation(name: str, *selections: str, invalid: bool = True) -> str:
    """A mutation with one variable, `$input`, that tells all there is to tell of a refusal."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    told = ["__typename", "... on Error { message code }"]
    told += ["... on InvalidInput { field reason }"] if invalid else []
    body = " ".join((*told, *(f"... on {selection}" for selection in selections)))
    return f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {body} }} }}"


CREATE_STALL = operation(
    "createStall",
    "SlugTaken { slug }",
    "CreateStallSuccess { stall { id name slug description theme owner { username } } }",
)
CREATE_PRODUCT = operation(
    "createProduct",
    "NotFound { what }",
    "CreateProductSuccess { product { id name price { minorUnits } tags } }",
)
UPDATE_PRODUCT = operation(
    "updateProduct",
    "NotFound { what }",
    "UpdateProductSuccess { product { id name region tags inventoryCount } }",
)
CREATE_AUCTION = operation(
    "createAuction",
    "NotFound { what }",
    """CreateAuctionSuccess { auction {
      id title status currentPrice { amount } reserveMet minimumBid { amount } } }""",
)
CANCEL = operation(
    "cancelAuction",
    "NotFound { what }",
    "AuctionNotOpen { status endsAt }",
    "CancelAuctionSuccess { auction { status closedAt } }",
    invalid=False,
)
WATCH = operation(
    "watchAuction",
    "NotFound { what }",
    "WatchAuctionSuccess { auction { viewerWatches } }",
    invalid=False,
)
PLACE_BID = operation(
    "placeBid",
    "NotFound { what }",
    "BidTooLow { minimumBid { amount asset } }",
    "AuctionNotOpen { status }",
    """PlaceBidSuccess { bid { id sequence amount { amount } } auction {
      bidCount currentPrice { amount } viewerIsLeading viewerMaximum { amount } } }""",
)
UNKNOWN = "01930c5e000070008000000000000000"


@pytest.fixture
async def seller(make_user):
    return await make_user("seller", roles=("ARTISAN",))


@pytest.fixture
async def product_id(seller, open_stall, list_product):
    stall_id = await open_stall(seller)
    made = await list_product(seller, stall_id, name="Bowl", region="FR", inventory_count=20)
    return encode_id("prd", made)


async def test_a_stall_makes_its_owner_an_artisan(ask, make_user, sql):
    ada = await make_user("ada")
    given = {"name": "Ada's pots", "description": "By hand.\nOld.", "theme": {"dark": [1, None]}}
    stall = (await ask(CREATE_STALL, ada, input=given))["createStall"]["stall"]
    assert stall.pop("id").startswith("stl_")
    assert stall == {**given, "slug": "ada-s-pots", "owner": {"username": "ada"}}
    assert await sql("SELECT role FROM user_role WHERE user_id = :id", id=ada.id) == [("ARTISAN",)]


async def test_a_slug_is_one_stalls_alone(ask, make_user, snapshot):
    ada, bob = await make_user("ada"), await make_user("bob")
    await ask(CREATE_STALL, ada, input={"name": "One", "slug": "pots"})
    before = await snapshot()
    answer = await ask(CREATE_STALL, bob, input={"name": "Two", "slug": "pots"})
    assert answer["createStall"]["__typename"] == "SlugTaken"
    assert answer["createStall"]["slug"] == "pots"
    assert await snapshot() == before


async def test_an_eleventh_stall_is_refused(ask, make_user, open_stall, snapshot):
    ada = await make_user("ada")
    for _ in range(10):
        await open_stall(ada)
    before = await snapshot()
    answer = await ask(CREATE_STALL, ada, input={"name": "Eleven"})
    assert answer["createStall"]["__typename"] == "Forbidden"
    assert await snapshot() == before


async def test_stalls_within_limits_alone(ask, make_user, snapshot):
    ada = await make_user("ada")
    bad = [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "Pots", "description": "x" * 5_001}, "description"),
        ({"name": "Pots", "slug": "ab"}, "slug"),
        ({"name": "Pots", "slug": "A-B-C"}, "slug"),
        ({"name": "Pots", "slug": "a--b"}, "slug"),
        ({"name": "Pots", "slug": "a" * 61}, "slug"),
        ({"name": "!!!"}, "slug"),  # nothing to make a slug of
        ({"name": "Pots", "theme": []}, "theme"),
        ({"name": "Pots", "theme": "dark"}, "theme"),
        ({"name": "Pots", "theme": 0}, "theme"),
        ({"name": "Pots", "theme": {"x": "y" * 4_096}}, "theme"),
        ({"name": "Pots", "theme": {"x": "\0"}}, "theme"),
    ]
    before = await snapshot()
    for given, field in bad:
        answer = (await ask(CREATE_STALL, ada, input=given))["createStall"]
        assert (answer["__typename"], answer.get("field")) == ("InvalidInput", field), given
    assert await snapshot() == before


async def test_products_within_limits_alone(ask, seller, open_stall, snapshot):
    stall_id = encode_id("stl", await open_stall(seller))
    good = {"stallId": stall_id, "kind": "PHYSICAL", "name": "B", "category": "C", "asset": "USD"}
    bad = [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"category": "x" * 61}, "category"),
        ({"description": "x" * 10_001}, "description"),
        ({"story": "\0"}, "story"),
        ({"region": "fr"}, "region"),
        ({"region": "FRA"}, "region"),
        ({"tags": ["x"] * 21}, "tags"),
        ({"tags": ["x" * 41]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"imageUrls": ["javascript:alert(1)"]}, "imageUrls"),
        ({"imageUrls": ["https://x.org/"] * 11}, "imageUrls"),
        ({"price": "0"}, "price"),
        ({"price": "-1"}, "price"),
        ({"price": "1.005"}, "price"),
        ({"price": "1E+30"}, "price"),
        ({"inventoryCount": -1}, "inventoryCount"),
        ({"inventoryCount": 1_000_001}, "inventoryCount"),
        ({"lowStockThreshold": -1}, "lowStockThreshold"),
    ]
    before = await snapshot()
    for given, field in bad:
        answer = (await ask(CREATE_PRODUCT, seller, input={**good, **given}))["createProduct"]
        assert (answer["__typename"], answer.get("field")) == ("InvalidInput", field), given
    assert await snapshot() == before
    made = (await ask(CREATE_PRODUCT, seller, input={**good, "price": "12.5"}))["createProduct"]
    assert made["product"]["price"] == {"minorUnits": "1250"}


async def test_products_go_into_ones_own_stall_alone(ask, seller, make_user, open_stall, snapshot):
    stall_id = encode_id("stl", await open_stall(seller))
    other = await make_user(roles=("ARTISAN",))
    good = {"kind": "PHYSICAL", "name": "B", "category": "C", "asset": "USD"}
    before = await snapshot()
    answer = await ask(CREATE_PRODUCT, other, input={**good, "stallId": stall_id})
    assert answer["createProduct"]["__typename"] == "Forbidden"
    for absent in (f"stl_{UNKNOWN}", stall_id.replace("stl", "prd"), "me", "", "\0"):
        answer = await ask(CREATE_PRODUCT, seller, input={**good, "stallId": absent})
        assert answer["createProduct"]["__typename"] == "NotFound"
        assert answer["createProduct"]["what"] == "stall"
    assert await snapshot() == before


async def test_what_is_not_given_of_a_product_stays(ask, seller, product_id):
    answer = await ask(UPDATE_PRODUCT, seller, input={"productId": product_id, "tags": ["a"]})
    assert answer["updateProduct"]["product"] == {
        "id": product_id, "name": "Bowl", "region": "FR", "tags": ["a"], "inventoryCount": 20,
    }  # fmt: skip
    answer = await ask(UPDATE_PRODUCT, seller, input={"productId": product_id, "region": None})
    assert answer["updateProduct"]["product"]["region"] is None
    assert answer["updateProduct"]["product"]["tags"] == ["a"]


async def test_null_for_what_a_product_must_have_is_refused_clearly(
    execute, seller, product_id, snapshot, shapes
):
    before = await snapshot()
    for field in ("name", "category", "tags", "imageUrls", "inventoryCount", "description"):
        given = {"productId": product_id, field: None}
        result = await execute(UPDATE_PRODUCT, seller, input=given)
        if result.errors is None:
            assert result.data["updateProduct"]["field"] == field
        else:
            assert shapes.codes(result) == ["BAD_USER_INPUT"], result.errors
    assert await snapshot() == before


async def test_an_auction_opens_at_once_or_waits(ask, seller, product_id):
    in_an_hour = utc_now() + timedelta(hours=1)
    terms = {"productId": product_id, "startingPrice": "10", "reserve": "50"}
    now = await ask(CREATE_AUCTION, seller, input={**terms, "endsAt": in_an_hour.isoformat()})
    made = now["createAuction"]["auction"]
    assert made.pop("id").startswith("auc_")
    assert made == {
        "title": "Bowl",
        "status": "OPEN",
        "currentPrice": {"amount": "10.00"},
        "minimumBid": {"amount": "10.00"},
        "reserveMet": False,
    }
    later = {
        **terms,
        "startsAt": in_an_hour.isoformat(),
        "endsAt": (in_an_hour + timedelta(days=1)).isoformat(),
        "title": "Another",
    }
    made = (await ask(CREATE_AUCTION, seller, input=later))["createAuction"]["auction"]
    assert (made["status"], made["title"]) == ("SCHEDULED", "Another")


async def test_auctions_on_terms_within_limits_alone(ask, seller, product_id, snapshot):
    now = utc_now()

    def at(**span):
        return (now + timedelta(**span)).isoformat()

    good = {"productId": product_id, "startingPrice": "10", "endsAt": at(hours=1)}
    bad = [
        ({"startingPrice": "0"}, "startingPrice"),
        ({"startingPrice": "-1"}, "startingPrice"),
        ({"startingPrice": "1.005"}, "startingPrice"),
        ({"startingPrice": "1E+999999"}, "startingPrice"),
        ({"reserve": "9.99"}, "reserve"),
        ({"reserve": "10.001"}, "reserve"),
        ({"endsAt": at(seconds=50)}, "endsAt"),
        ({"endsAt": at(days=61)}, "endsAt"),
        ({"endsAt": at(hours=-1)}, "endsAt"),
        ({"endsAt": "9999-12-31T23:59:59Z"}, "endsAt"),
        ({"startsAt": at(minutes=-6)}, "startsAt"),
        ({"startsAt": "0001-01-01T00:00:00Z"}, "startsAt"),
        ({"startsAt": at(days=366), "endsAt": at(days=367)}, "startsAt"),
        ({"startsAt": at(hours=2)}, "endsAt"),
        ({"softCloseWindowSeconds": -1}, "softCloseWindowSeconds"),
        ({"softCloseWindowSeconds": 86_401}, "softCloseWindowSeconds"),
        ({"softCloseExtensionSeconds": 86_401}, "softCloseExtensionSeconds"),
        ({"increments": []}, "increments"),
        ({"increments": [{"below": "5", "increment": "1"}]}, "increments"),
        ({"increments": [{"increment": "0"}]}, "increments"),
        ({"increments": [{"increment": "0.001"}]}, "increments"),
        (
            {"increments": [{"below": "5", "increment": "2"}, {"increment": "1"}]},
            "increments",
        ),
        (
            {
                "increments": [
                    {"increment": "1"},
                    {"below": "5", "increment": "2"},
                    {"increment": "3"},
                ]
            },
            "increments",
        ),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"description": "\0"}, "description"),
    ]
    before = await snapshot()
    for given, field in bad:
        answer = (await ask(CREATE_AUCTION, seller, input={**good, **given}))["createAuction"]
        assert (answer["__typename"], answer.get("field")) == ("InvalidInput", field), given
    assert await snapshot() == before


async def test_ones_own_products_alone_are_put_up(ask, make_user, product_id, snapshot):
    other = await make_user(roles=("ARTISAN",))
    terms = {"startingPrice": "10", "endsAt": (utc_now() + timedelta(hours=1)).isoformat()}
    before = await snapshot()
    answer = await ask(CREATE_AUCTION, other, input={**terms, "productId": product_id})
    assert answer["createAuction"]["__typename"] == "Forbidden"
    answer = await ask(CREATE_AUCTION, other, input={**terms, "productId": f"prd_{UNKNOWN}"})
    assert answer["createAuction"] == {
        "__typename": "NotFound",
        "what": "product",
        "code": "NOT_FOUND",
        "message": "product not found",
    }
    assert await snapshot() == before


async def test_a_seller_cancels_before_the_first_bid_and_not_after(
    ask, open_lot, make_user, bid, snapshot
):
    lot = await open_lot()
    cancelled = (await ask(CANCEL, lot.seller, input={"auctionId": lot.public_id}))[
        "cancelAuction"
    ]["auction"]
    assert cancelled["status"] == "CANCELLED"
    assert cancelled["closedAt"] is not None
    again = (await ask(CANCEL, lot.seller, input={"auctionId": lot.public_id}))["cancelAuction"]
    assert (again["__typename"], again["status"]) == ("AuctionNotOpen", "CANCELLED")

    other = await open_lot(lot.seller)
    await bid(await make_user(), other, 500)
    before = await snapshot()
    answer = await ask(CANCEL, lot.seller, input={"auctionId": other.public_id})
    assert answer["cancelAuction"]["__typename"] == "Forbidden"
    assert await snapshot() == before


async def test_strangers_cancel_nothing_and_moderators_anything(
    ask, open_lot, make_user, bid, snapshot
):
    lot = await open_lot()
    await bid(await make_user(), lot, 500)
    before = await snapshot()
    for stranger in (await make_user(), await make_user(roles=("ARTISAN",))):
        before = await snapshot()
        answer = await ask(CANCEL, stranger, input={"auctionId": lot.public_id})
        assert answer["cancelAuction"]["__typename"] == "Forbidden"
        assert await snapshot() == before
    moderator = await make_user(roles=("MODERATOR",))
    answer = await ask(CANCEL, moderator, input={"auctionId": lot.public_id})
    assert answer["cancelAuction"]["auction"]["status"] == "CANCELLED"
    answer = await ask(CANCEL, moderator, input={"auctionId": f"auc_{UNKNOWN}"})
    assert answer["cancelAuction"]["what"] == "auction"


async def test_watching_is_ones_own_and_may_be_said_twice(ask, open_lot, make_user, sql):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")
    seen = "query ($id: ID!) { auction(id: $id) { viewerWatches } }"
    for on in (True, True, None, False, False):
        given = {} if on is None else {"watching": on}
        answer = await ask(WATCH, ada, input={"auctionId": lot.public_id, **given})
        watched = on is not False
        assert answer["watchAuction"]["auction"] == {"viewerWatches": watched}
        assert await ask(seen, ada, id=lot.public_id) == {"auction": {"viewerWatches": watched}}
        for other in (bob, None):
            assert await ask(seen, other, id=lot.public_id) == {"auction": {"viewerWatches": False}}
        [[rows]] = await sql("SELECT count(*) FROM auction_watch")
        assert rows == int(watched)
    answer = await ask(WATCH, ada, input={"auctionId": "auc_1"})
    assert answer["watchAuction"]["__typename"] == "NotFound"


async def test_a_bid_tells_its_maker_what_became_of_it(ask, open_lot, make_user):
    lot, ada, bob = await open_lot(), await make_user("ada"), await make_user("bob")

    async def place(person, maximum, key):
        given = {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": key}
        return (await ask(PLACE_BID, person, input=given))["placeBid"]

    first = await place(ada, "10", "one")
    assert first["bid"]["sequence"] == 1
    assert first["auction"] == {
        "bidCount": 1,
        "currentPrice": {"amount": "1.00"},
        "viewerIsLeading": True,
        "viewerMaximum": {"amount": "10.00"},
    }
    second = await place(bob, "5", "one")  # keys are each person's own
    assert second["bid"]["amount"] == {"amount": "5.00"}
    assert second["auction"] == {
        "bidCount": 2,
        "currentPrice": {"amount": "5.50"},
        "viewerIsLeading": False,
        "viewerMaximum": {"amount": "5.00"},
    }
    low = await place(bob, "5.99", "two")
    assert low["__typename"] == "BidTooLow"
    assert low["minimumBid"] == {"amount": "6.00", "asset": "USD"}
    again = await place(ada, "10", "one")
    assert again["bid"]["id"] == first["bid"]["id"]
    assert again["auction"]["bidCount"] == 2
    other = await place(ada, "20", "one")
    assert (other["__typename"], other["code"]) == ("IdempotencyConflict", "IDEMPOTENCY_CONFLICT")


async def test_bids_that_cannot_be_are_refused_and_leave_nothing(
    ask, open_lot, make_user, snapshot
):
    lot, ada = await open_lot(), await make_user("ada")
    own = {"auctionId": lot.public_id, "maximum": "10", "idempotencyKey": "k"}
    absent = [{"auctionId": id} for id in (f"auc_{UNKNOWN}", "auc_1", "\0", "")]
    bad = [
        ({"maximum": "0"}, "InvalidInput"),
        ({"maximum": "-5"}, "InvalidInput"),
        ({"maximum": "10.001"}, "InvalidInput"),
        ({"maximum": "92233720368547758.08"}, "InvalidInput"),
        ({"maximum": "1E+999999"}, "InvalidInput"),
        ({"maximum": "0.99"}, "BidTooLow"),
        ({"idempotencyKey": ""}, "InvalidInput"),
        ({"idempotencyKey": "k" * 201}, "InvalidInput"),
        ({"idempotencyKey": "a\0b"}, "InvalidInput"),
        *((given, "NotFound") for given in absent),
    ]
    before = await snapshot()
    for given, expected in bad:
        answer = (await ask(PLACE_BID, ada, input={**own, **given}))["placeBid"]
        assert answer["__typename"] == expected, given
        if expected == "InvalidInput":
            assert answer["field"] == next(iter(given))
    seller = (await ask(PLACE_BID, lot.seller, input=own))["placeBid"]
    assert seller["__typename"] == "SellerCannotBid"
    assert await snapshot() == before


MUTATIONS = {
    "createStall": ("CreateStallInput", {"name": "Pots"}),
    "createProduct": (
        "CreateProductInput",
        {"stallId": "stl", "kind": "PHYSICAL", "name": "B", "category": "C", "asset": "USD"},
    ),
    "updateProduct": ("UpdateProductInput", {"productId": "prd", "name": "C"}),
    "createAuction": (
        "CreateAuctionInput",
        {"productId": "prd", "startingPrice": "1", "endsAt": "2100-01-01T00:00:00Z"},
    ),
    "cancelAuction": ("CancelAuctionInput", {"auctionId": "auc"}),
    "watchAuction": ("WatchAuctionInput", {"auctionId": "auc"}),
    "placeBid": ("PlaceBidInput", {"auctionId": "auc", "maximum": "9", "idempotencyKey": "k"}),
    "buyNow": ("BuyNowInput", {"auctionId": "auc", "price": "9", "idempotencyKey": "k"}),
}


@pytest.fixture
async def inputs(open_lot):
    """Inputs that would succeed for who may, each with the operation that takes it."""
    lot = await open_lot()
    ids = {
        "auc": lot.public_id,
        "prd": encode_id("prd", lot.product_id),
        "stl": encode_id("stl", lot.stall_id),
    }
    made = {}
    for name, (kind, given) in MUTATIONS.items():
        query = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}"
        made[name] = (query, {key: ids.get(str(value), value) for key, value in given.items()})
    return made


def test_every_mutation_of_auctions_is_in_the_table(schema):
    auctions = {
        field.name or field.python_name
        for field in schema.schema_converter.type_map["Mutation"].definition.fields
        if field.origin.__module__ == "schema.auctions.mutations"
    }
    camel = {"".join([w.title() if n else w for n, w in enumerate(f.split("_"))]) for f in auctions}
    assert camel == MUTATIONS.keys()


async def test_nobody_changes_anything_without_signing_in(execute, inputs, snapshot, shapes):
    before = await snapshot()
    for name, (query, given) in inputs.items():
        result = await execute(query, None, input=given)
        assert shapes.codes(result) == ["UNAUTHENTICATED"], name
        assert result.errors[0].extensions["details"] == {"reason": "TOKEN_MISSING"}
        assert result.data is None
    assert await snapshot() == before


NEEDED = {
    "createProduct": "auction:sell",
    "updateProduct": "auction:sell",
    "createAuction": "auction:sell",
    "placeBid": "bid:place",
    "buyNow": "bid:place",
}


async def test_nobody_changes_anything_without_the_scope(
    execute, inputs, snapshot, shapes, make_user
):
    everything = scopes_of(["ADMIN", "ARTISAN", "SPONSOR"])
    for name, scope in NEEDED.items():
        lacking = await make_user(scopes=everything - {scope})
        before = await snapshot()
        query, given = inputs[name]
        result = await execute(query, lacking, input=given)
        assert shapes.codes(result) == ["FORBIDDEN"], name
        assert scope in result.errors[0].message
        assert await snapshot() == before


async def test_a_refused_mutation_stops_none_of_the_others(execute, inputs, make_user, sql):
    """Mutations of one operation run one after the other, each in a transaction of its own."""
    ada = await make_user("ada")
    query = """mutation {
      a: createStall(input: {name: "First"}) { __typename }
      b: createStall(input: {name: ""}) { __typename }
      c: createStall(input: {name: "Third"}) { __typename }
    }"""
    result = await execute(query, ada)
    assert [result.data[key]["__typename"] for key in "abc"] == [
        "CreateStallSuccess", "InvalidInput", "CreateStallSuccess",
    ]  # fmt: skip
    names = await sql("SELECT name FROM stall WHERE owner_id = :id ORDER BY name", id=ada.id)
    assert names == [("First",), ("Third",)]
