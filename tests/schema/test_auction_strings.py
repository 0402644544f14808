"""Naughty strings through the whole application over HTTP: each comes out as it went in, or is
refused by name. The list is not kept here; without it these tests skip."""

import pytest

from core.ids import encode_id
from tests.data import NAUGHTY, at_once, naughty_strings

STALLS_EACH = 9
PER_REQUEST = 25

WRITE = """
mutation ($stall: CreateStallInput!, $product: CreateProductInput!, $own: UpdateProfileInput!,
          $bid: PlaceBidInput!) {
  createStall(input: $stall) { __typename ... on InvalidInput { field }
    ... on CreateStallSuccess { stall { id } } }
  createProduct(input: $product) { __typename ... on InvalidInput { field }
    ... on CreateProductSuccess { product { id } } }
  updateProfile(input: $own) { __typename ... on InvalidInput { field }
    ... on UpdateProfileSuccess { user { displayName profile { bio location pronouns } } } }
  placeBid(input: $bid) { __typename ... on InvalidInput { field } }
}
"""
BACK = """
query ($ids: [ID!]!) { nodes(ids: $ids) {
  ... on Stall { name description }
  ... on Product { name description story tags }
} }
"""
FIND = """
query ($s: String!, $id: ID!) {
  auction(id: $id) { id }
  product(id: $id) { id }
  user(username: $s) { id }
  byId: user(id: $id) { id }
  node(id: $id) { id }
  nodes(ids: [$id]) { id }
  stall(slug: $s) { id }
  auctions(filter: {category: $s}) { totalCount }
  tagged: auctions(filter: {tags: [$s]}) { totalCount }
  from: auctions(filter: {region: $s}) { totalCount }
}
"""
SOLD_BY = "query ($id: ID!) { auctions(filter: {seller: $id}) { totalCount } }"


@pytest.fixture(scope="module")
def strings() -> list[str]:
    return naughty_strings()


def short(string: str) -> list[str]:
    """The string where fields of 40 characters take it."""
    return [string] if len(string) <= 40 else []


def of_profile(string: str) -> dict[str, str]:
    """The fields of a profile that are long enough for the string."""
    fields = {"bio": 2_000, "displayName": 100, "location": 100, "pronouns": 40}
    given = {name: string for name, maximum in fields.items() if len(string) <= maximum}
    return {"displayName": "Long", **given}


def of_stall(string: str) -> dict[str, str]:
    return {"name": string if len(string) <= 100 else "Long", "description": string}


def of_product(string: str) -> dict[str, object]:
    texts = {"description": string, "story": string, "tags": short(string)}
    return {"name": string if len(string) <= 200 else "Long", **texts}


@pytest.mark.timeout(300)
async def test_each_string_comes_out_as_it_went_in_or_is_refused_by_name(
    strings, post, make_user, open_stall, open_lot
):
    makers = [await make_user(roles=("ARTISAN",)) for _ in range(0, NAUGHTY, STALLS_EACH)]
    shops = [encode_id("stl", await open_stall(maker)) for maker in makers]
    lot = await open_lot(starting_price_minor=1)
    made = {}
    taken = dict.fromkeys(("createStall", "createProduct", "updateProfile", "placeBid"), 0)

    async def write(number, string):
        which = number % len(makers)  # never the same two at once: a profile is one
        fixed = {"stallId": shops[which], "kind": "PHYSICAL", "category": "C", "asset": "USD"}
        maximum = str(1_000 * (number + 1))
        bid = {"auctionId": lot.public_id, "maximum": maximum, "idempotencyKey": string}
        response = await post(
            WRITE,
            makers[which],
            stall={"slug": f"naughty-{number}", **of_stall(string)},
            product={**fixed, **of_product(string)},
            own=of_profile(string),
            bid=bid,
        )
        body = response.json()
        assert "errors" not in body, (string, body)
        check(string, body["data"])

    def check(string, data):
        named = {
            "createStall": of_stall(string).keys(),
            "createProduct": of_product(string).keys(),
            "updateProfile": of_profile(string).keys(),
            "placeBid": {"idempotencyKey"},
        }
        for name, answer in data.items():
            if answer["__typename"] == "InvalidInput":
                assert answer["field"] in named[name], (string, answer)
            else:
                assert answer["__typename"].endswith("Success") or name == "placeBid", answer
                taken[name] += 1
        if "stall" in data["createStall"]:
            made[data["createStall"]["stall"]["id"]] = of_stall(string)
        if "product" in data["createProduct"]:
            made[data["createProduct"]["product"]["id"]] = of_product(string)
        if "user" in data["updateProfile"]:
            user = data["updateProfile"]["user"]
            found = {"displayName": user["displayName"], **user["profile"]}
            given = of_profile(string)
            assert {name: found[name] for name in given} == given

    await at_once(write, strings)
    for ids in batched_ids(made):
        nodes = (await post(BACK, ids=ids)).json()["data"]["nodes"]
        assert nodes == [made[id] for id in ids]
    # Mostly taken: a server that refused everything would pass all of the above.
    assert {name: count for name, count in taken.items() if count < 480} == {}


def batched_ids(made):
    ids = list(made)
    return [ids[start : start + 50] for start in range(0, len(ids), 50)]


@pytest.mark.timeout(300)
async def test_each_string_finds_nothing_or_is_refused_clearly(strings, post, open_lot):
    lot = await open_lot()

    async def find(number, string):
        body = (await post(FIND, s=string, id=string)).json()
        assert "errors" not in body, (string, body)
        lists = {name: body["data"].pop(name) for name in ("auctions", "tagged", "from")}
        assert body["data"].pop("nodes") == [None]
        assert set(body["data"].values()) == {None}, string
        assert all(found == {"totalCount": 0} for found in lists.values()), string
        [error] = (await post(SOLD_BY, id=string)).json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT", (string, error)

    await at_once(find, strings)
    for start in range(0, NAUGHTY, PER_REQUEST):
        await refuse_cursors(post, lot.seller.public_id, strings[start : start + PER_REQUEST])


async def refuse_cursors(post, user_id, strings):
    """Each string as a cursor, under a field of its own that may be null."""
    names = [f"c{number}" for number in range(len(strings))]
    declared = " ".join(f"${name}: Cursor" for name in names)
    asked = " ".join(
        f"{name}: user(id: $id) {{ auctions(after: ${name}) {{ totalCount }} }}" for name in names
    )
    query = f"query ($id: ID!, {declared}) {{ {asked} }}"
    body = (await post(query, id=user_id, **dict(zip(names, strings, strict=True)))).json()
    assert body["data"] == dict.fromkeys(names)
    codes = {error["path"][0]: error["extensions"]["code"] for error in body["errors"]}
    assert codes == dict.fromkeys(names, "BAD_USER_INPUT")
