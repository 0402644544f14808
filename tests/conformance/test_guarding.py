"""Limits, cost and budgets hold over every transport: the same cases over each of them."""

from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import httpx
import pytest
import pytest_asyncio

from core.clock import utc_now
from core.ids import new_id
from core.tokens import TokenPolicy, issue_access_token
from services.users.access import scopes_of, session_public_id, user_public_id
from tests.concurrency.serving import serve_here
from tests.conformance.stream_drivers import STREAM_DRIVERS
from tests.conformance.transports import SOCKET_DRIVERS

pytestmark = pytest.mark.asyncio(loop_scope="module")

POINTS, USER, PREMIUM, BURST = 30, 6, 6_000, 10
MAXIMUM = POINTS * USER
"""What somebody may spend at once here: a minute's, for that is less than a burst."""
RATE = POINTS * USER / 60
SPENDING = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
IDS = {"ids": ["usr_" + "0" * 32] * 79}
"""Costs 79 and is worth it: two are what somebody has, and the third comes 19 seconds too soon."""
FOLLOWING = """subscription($id: ID!) { auctionChanged(auctionId: $id) {
  auction { seller { followers(first: 74) { nodes { id } } } } } }"""
DEAR = "query($n: Int) { titles(first: $n) { nodes { id } } }"
NOTHING = "{ __typename }"
LIMITS = {
    "depth": ("{ " + "me { followers { nodes { " * 5 + "id" + " } } }" * 5 + " }", {}),
    "aliases": ("{ " + " ".join(f"a{n}: __typename" for n in range(31)) + " }", {}),
    "rootFields": ("{ " + "__typename " * 51 + "}", {}),
    "breadth": ("{ me { " + "id " * 301 + "} }", {}),
    "directives": ("{ me { " + "id @skip(if: true) " * 51 + "} }", {}),
    "tokens": ("{ " + "a " * 2_000 + "}", {}),
    "documentLength": ("{ __typename } #" + "x" * 100_000, {}),
    "listItems": ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["x"] * 1_001}),
    "stringLength": ("query($id: ID!) { node(id: $id) { id } }", {"id": "x" * 250_001}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(served):
    settings = served(
        rate_limits="on",
        rate_points=POINTS,
        rate_anonymous=5,
        rate_user=USER,
        rate_premium=PREMIUM,
        rate_burst=BURST,
        max_cost=80,
        max_cost_anonymous=40,
    )
    async with serve_here(settings) as here:
        yield here


def token(server, *, tier="FREE") -> str:
    """Of somebody whom no test has met."""
    return issue_access_token(
        server.ring,
        TokenPolicy(),
        subject=user_public_id(new_id()),
        session_id=session_public_id(new_id()),
        scopes=scopes_of(["USER"]),
        tier=tier,
        now=utc_now(),
    ).token


class OverHttp:
    """A POST, answered once; as the other drivers have it."""

    name = "http"

    def __init__(self, url=None, signed=None):
        self.url, self.signed = url, signed

    def connect(self, url, token=None):
        return OverHttp(url, token)

    async def __aenter__(self):
        headers = {} if self.signed is None else {"Authorization": f"Bearer {self.signed}"}
        self.client = httpx.AsyncClient(headers=headers, trust_env=False, timeout=20)
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()

    async def subscribe(self, query, variables=None, *, extensions=None):
        body = {"query": query, "variables": variables, "extensions": extensions}
        self.response = await self.client.post(self.url, json=body)
        yield self.response.json()


@pytest.fixture(params=[OverHttp(), *SOCKET_DRIVERS, *STREAM_DRIVERS], ids=lambda d: d.name)
def driver(request):
    return request.param


async def first(connection, query, variables=None, **options):
    """The first result."""
    async with aclosing(connection.subscribe(query, variables, **options)) as results:
        return await anext(results)


def code_of(result) -> str:
    return result["errors"][0]["extensions"]["code"]


def details_of(result):
    return result["errors"][0]["extensions"]["details"]


async def test_what_is_too_large_is_told_with_its_limit_over_every_transport(server, driver):
    async with driver.connect(server.url, token(server)) as connection:
        for limit, (text, variables) in LIMITS.items():
            result = await first(connection, text, variables)
            assert (code_of(result), details_of(result)["limit"]) == ("BAD_USER_INPUT", limit)
            assert details_of(result)["found"] > details_of(result)["maximum"]
            assert result.get("data") is None


async def test_what_may_cost_too_much_does_not_run_over_any_transport(server, driver):
    async with driver.connect(server.url, token(server)) as connection:
        result = await first(connection, DEAR, {"n": 80})
        assert code_of(result) == "COST_EXCEEDED"
        assert details_of(result) == {
            "limit": "cost",
            "found": 81,
            "requested": 81,
            "maximum": 80,
        }
        assert (await first(connection, DEAR, {"n": 79}))["data"] == {"titles": {"nodes": []}}


async def test_a_cost_of_any_length_is_told_in_a_number_that_every_reader_takes(server, driver):
    lists = "auctions(first: 2147483647) { nodes { bids(first: 2147483647) { nodes { bidder {"
    followers = "followers(first: 2147483647) { nodes { id } }"
    text = f"{{ {lists} {followers} {'} ' * 6}"
    async with driver.connect(server.url, token(server)) as connection:
        result = await first(connection, text)
        assert code_of(result) == "COST_EXCEEDED"
        assert details_of(result)["requested"] == 2**53 - 1
        assert result.get("data") is None


async def test_a_budget_is_spent_and_given_back_over_every_transport(server, driver):
    async with driver.connect(server.url, token(server)) as connection:
        ask = partial(first, connection, extensions={"cost": True})
        told = (await ask(DEAR, {"n": 60}))["extensions"]["cost"]
        assert (told["requested"], told["actual"]) == (61, 1)
        throttle = told["throttle"]
        assert (throttle["maximum"], throttle["restoreRate"]) == (MAXIMUM, RATE)
        assert MAXIMUM - 2 < throttle["available"] <= MAXIMUM
        assert "extensions" not in await first(connection, NOTHING)


async def test_who_has_spent_all_is_told_when_to_come_back(server, driver):
    """Over every transport, and whether it is a query or a subscription that is asked for next."""
    async with driver.connect(server.url, token(server)) as connection:
        for _ in range(2):
            assert (await first(connection, SPENDING, IDS))["data"] == {"nodes": [None] * 79}
        refused = [await first(connection, SPENDING, IDS)]
        if driver.name != "http":
            refused.append(await first(connection, FOLLOWING, {"id": "nothing"}))
        for result in refused:
            assert code_of(result) == "RATE_LIMITED"
            told = details_of(result)
            assert told["limit"] == MAXIMUM
            assert MAXIMUM - 2 * 79 <= told["remaining"] < 79
            assert 0 < told["retryAfter"] <= (79 - MAXIMUM + 2 * 79) / RATE
            assert datetime.fromisoformat(told["resetAt"]) > datetime.now(UTC)
            assert result.get("data") is None


async def test_what_is_wrong_costs_the_least_there_is(server, driver):
    async with driver.connect(server.url, token(server)) as connection:
        for text in ("{ nobody }", "{ nobody", "query($id: ID!) { node(id: $id) { id } }"):
            assert code_of(await first(connection, text)) == "BAD_USER_INPUT"
        assert code_of(await first(connection, DEAR, {"n": 80})) == "COST_EXCEEDED"
        told = await first(connection, NOTHING, extensions={"cost": True})
        cost = told["extensions"]["cost"]
        assert (cost["requested"], cost["actual"]) == (0, 0)
        assert MAXIMUM - 5 <= cost["throttle"]["available"] < MAXIMUM


async def test_a_subscription_is_paid_when_it_begins(server, driver):
    if driver.name == "http":
        pytest.skip("a POST that is answered once runs no subscriptions")
    who = token(server)
    async with driver.connect(server.url, who) as connection:
        assert code_of(await first(connection, FOLLOWING, {"id": "nothing"})) == "BAD_USER_INPUT"
    async with OverHttp().connect(server.url, who) as connection:
        told = await first(connection, NOTHING, extensions={"cost": True})
    assert told["extensions"]["cost"]["throttle"]["available"] < MAXIMUM - 50


async def test_over_http_a_refusal_has_its_status_and_headers(server):
    async with OverHttp().connect(server.url, token(server)) as connection:
        for _ in range(3):
            await first(connection, SPENDING, IDS)
        told = connection.response
    assert told.status_code == 429
    assert 15 <= int(told.headers["retry-after"]) <= 19
    assert told.headers["ratelimit-limit"] == str(MAXIMUM)
    assert 22 <= int(told.headers["ratelimit-remaining"]) <= 35
    assert 45 <= int(told.headers["ratelimit-reset"]) <= 53


async def test_a_header_asks_for_the_cost_too(server):
    async with OverHttp().connect(server.url, token(server)) as connection:
        connection.client.headers["X-Mela-Cost"] = "1"
        told = await first(connection, NOTHING)
    assert told["extensions"]["cost"]["requested"] == 0


async def test_tiers_have_their_own_rates_and_addresses_theirs(server):
    async def throttle(signed):
        async with OverHttp().connect(server.url, signed) as connection:
            told = await first(connection, NOTHING, extensions={"cost": True})
            return told["extensions"]["cost"]["throttle"]

    premium = await throttle(token(server, tier="PREMIUM"))
    assert (premium["maximum"], premium["restoreRate"]) == (POINTS * BURST, POINTS * PREMIUM / 60)
    nobody = await throttle(None)
    assert (nobody["maximum"], nobody["restoreRate"]) == (POINTS * 5, POINTS * 5 / 60)


SIGN_UP = """mutation($n: String!) { signUp(input:
  {email: $n, username: $n, password: "p"}) { __typename } }"""


async def test_a_field_has_a_rate_of_its_own_over_every_transport(server, driver):
    """Ten a minute: the eleventh is refused at the field, whatever else there is to spend."""
    async with driver.connect(server.url, token(server, tier="PREMIUM")) as connection:
        for _ in range(10):
            assert "errors" not in await first(connection, SIGN_UP, {"n": "?"})
        result = await first(connection, SIGN_UP, {"n": "?"})
    [error] = result["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("RATE_LIMITED", ["signUp"])
    assert error["message"].startswith("Mutation.signUp: 10 in 60 seconds")
    assert details_of(result)["limit"] == 10
