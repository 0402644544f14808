"""Operations over HTTP through the whole application: errors' shape, masking, limits, bodies."""

import logging

import orjson
import pytest
from structlog.testing import capture_logs

BIDS = "query ($id: ID!) { auction(id: $id) { viewerWatches } }"


async def test_an_error_has_its_promised_shape_and_the_requests_id(post, shapes):
    response = await post(
        "{ auctions(first: 101) { totalCount } }", headers={"X-Request-Id": "r-1"}
    )
    assert response.headers["x-request-id"] == "r-1"
    [error] = response.json()["errors"]
    assert shapes.is_shaped(error)
    assert error["path"] == ["auctions"]
    assert error["extensions"]["requestId"] == "r-1"
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["details"] == {"maximum": 100}


async def test_every_kind_of_refusal_has_the_same_shape(post, client, shapes, make_user):
    ada = await make_user("ada", scopes={"content:read"})
    key = {"auctionId": "auc_1", "maximum": "1", "idempotencyKey": "k"}
    place = "mutation ($input: PlaceBidInput!) { placeBid(input: $input) { __typename } }"
    found = {
        "syntax": await post("{ auctions"),
        "validation": await post("{ nonsense }"),
        "variables": await post(place, ada, input={}),
        "unauthenticated": await post(place, input=key),
        "forbidden": await post(place, ada, input=key),
        "bad token": await post("{ me { id } }", headers={"Authorization": "Bearer x.y.z"}),
        "no bearer": await post("{ me { id } }", headers={"Authorization": "Basic eDp5"}),
        "no query": await client.post("/graphql", json={}),
        "no json": await client.post(
            "/graphql", content=b"{", headers={"content-type": "application/json"}
        ),
        "array": await client.post("/graphql", json=[{"query": "{ me { id } }"}]),
        "variables are no object": await client.post(
            "/graphql", json={"query": "{ me { id } }", "variables": [1]}
        ),
        "operationName": await client.post(
            "/graphql", json={"query": "query A { me { id } }", "operationName": "B"}
        ),
        "which operation": await client.post(
            "/graphql", json={"query": "query A { me { id } } query B { me { id } }"}
        ),
    }
    codes = {}
    for name, response in found.items():
        assert response.status_code < 500, name
        body = response.json()
        assert body.get("data") is None, name
        assert len(body["errors"]) == (3 if name == "variables" else 1), name
        for error in body["errors"]:
            assert shapes.is_shaped(error), name
            assert error["extensions"]["requestId"] == response.headers["x-request-id"], name
        [codes[name]] = set(shapes.codes(body))
    special = {
        "unauthenticated": "UNAUTHENTICATED",
        "bad token": "UNAUTHENTICATED",
        "no bearer": "UNAUTHENTICATED",
        "forbidden": "FORBIDDEN",
    }
    assert codes == {**dict.fromkeys(found, "BAD_USER_INPUT"), **special}
    assert found["bad token"].status_code == 401


async def test_an_expired_token_says_so(server, make_user, post):
    from datetime import timedelta

    from core.clock import utc_now
    from core.tokens import issue_access_token

    ada = await make_user("ada")
    issued = issue_access_token(
        server.keys, server.tokens, subject=ada.public_id, session_id="ses_" + "0" * 32,
        scopes=["bid:place"], tier="FREE", now=utc_now() - timedelta(hours=1),
    )  # fmt: skip
    response = await post("{ me { id } }", headers={"Authorization": f"Bearer {issued.token}"})
    assert response.status_code == 401
    [error] = response.json()["errors"]
    assert error["extensions"]["details"] == {"reason": "TOKEN_EXPIRED"}


async def test_the_unexpected_is_masked_and_logged_under_its_request_id(
    post, open_lot, make_user, sql
):
    lot, ada = await open_lot(), await make_user("ada")
    await sql("ALTER TABLE auction_watch RENAME TO secret_table")
    with capture_logs() as logs:
        response = await post(BIDS, ada, headers={"X-Request-Id": "broken-1"}, id=lot.public_id)
    assert response.status_code == 200
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["requestId"] == "broken-1"
    assert error["path"] == ["auction", "viewerWatches"]
    for leak in ("auction_watch", "relation", "SELECT", "asyncpg", "sqlalchemy", "Traceback"):
        assert leak.lower() not in response.text.lower()
    [line] = [line for line in logs if line["event"] == "unexpected_error"]
    assert line["log_level"] == "error"
    assert line["request_id"] == "broken-1"
    assert "auction_watch" in str(line["exc_info"])

    await sql("ALTER TABLE secret_table RENAME TO auction_watch")
    healed = await post(BIDS, ada, id=lot.public_id)
    assert healed.json() == {"data": {"auction": {"viewerWatches": False}}}


async def test_one_broken_field_does_not_hide_what_could_be_read(post, open_lot, make_user, sql):
    lot, ada = await open_lot(), await make_user("ada")
    await sql("ALTER TABLE bid RENAME TO secret_table")
    query = "query ($id: ID!) { auction(id: $id) { title viewerMaximum { amount } } }"
    with capture_logs():
        body = (await post(query, ada, id=lot.public_id)).json()
    assert body["data"] == {"auction": {"title": "Bowl", "viewerMaximum": None}}
    assert [error["path"] for error in body["errors"]] == [["auction", "viewerMaximum"]]


DEEP = "{ auctions { nodes { " + "seller { auctions { nodes { " * 5 + "id" + " } } }" * 5 + " } } }"
WIDE = "{ " + " ".join(f"a{n}: me {{ id }}" for n in range(31)) + " }"
LONG = "{ " + "me { id } " * 600 + "}"


@pytest.mark.parametrize(
    ("query", "said"),
    [(DEEP, "the limit is 12"), (WIDE, "aliases are 31"), (LONG, "more than 2000")],
    ids=["depth", "aliases", "tokens"],
)
async def test_documents_that_are_too_large_are_refused_before_they_run(post, server, query, said):
    response = await post(query)
    body = response.json()
    assert body.get("data") is None
    [error] = body["errors"]
    assert said in error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_just_within_the_limits_is_answered(post):
    query = "{ " + " ".join(f"a{n}: me {{ id }}" for n in range(30)) + " }"
    assert (await post(query)).json() == {"data": {f"a{n}": None for n in range(30)}}


async def test_a_body_that_is_too_large_is_refused(client, settings, shapes):
    body = orjson.dumps(
        {"query": "{ me { id } }", "variables": {"x": "y" * settings.max_body_bytes}}
    )
    kind = {"content-type": "application/json"}
    response = await client.post("/graphql", content=body, headers=kind)
    assert response.status_code == 413

    async def chunks():
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    streamed = await client.post("/graphql", content=chunks(), headers=kind)
    assert streamed.status_code == 413
    for each in (response, streamed):
        [error] = each.json()["errors"]
        assert shapes.is_shaped(error)
        assert error["extensions"]["details"] == {"maxBodyBytes": settings.max_body_bytes}


async def test_a_mutation_by_get_changes_nothing(client, make_user, snapshot):
    ada = await make_user("ada")
    before = await snapshot()
    response = await client.get(
        "/graphql",
        params={"query": 'mutation { createStall(input: {name: "Pots"}) { __typename } }'},
        headers={"Authorization": f"Bearer {ada.token}", "Accept": "application/json"},
    )
    assert 400 <= response.status_code < 500
    assert await snapshot() == before


async def test_anonymous_bids_are_refused_over_http_and_write_nothing(post, open_lot, snapshot):
    lot = await open_lot()
    before = await snapshot()
    query = "mutation ($input: PlaceBidInput!) { placeBid(input: $input) { __typename } }"
    given = {"auctionId": lot.public_id, "maximum": "10", "idempotencyKey": "k"}
    body = (await post(query, input=given)).json()
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await snapshot() == before


async def test_a_bid_over_http_is_seen_by_another_process(post, ask, open_lot, make_user):
    lot, ada = await open_lot(), await make_user("ada")
    query = """mutation ($input: PlaceBidInput!) { placeBid(input: $input) {
      ... on PlaceBidSuccess { bid { sequence } auction { viewerIsLeading } } } }"""
    given = {"auctionId": lot.public_id, "maximum": "10", "idempotencyKey": "k"}
    body = (await post(query, ada, input=given)).json()
    assert body == {
        "data": {"placeBid": {"bid": {"sequence": 1}, "auction": {"viewerIsLeading": True}}}
    }
    seen = "query ($id: ID!) { auction(id: $id) { bidCount } }"
    assert await ask(seen, id=lot.public_id) == {"auction": {"bidCount": 1}}


async def test_two_operations_share_no_loader(post, open_lot, make_user):
    """The same question by two people gets two answers."""
    lot, ada = await open_lot(), await make_user("ada")
    watch = "mutation ($id: ID!) { watchAuction(input: {auctionId: $id}) { __typename } }"
    await post(watch, ada, id=lot.public_id)
    answers = [(await post(BIDS, who, id=lot.public_id)).json() for who in (ada, None, ada)]
    assert [a["data"]["auction"]["viewerWatches"] for a in answers] == [True, False, True]


def test_nothing_here_turned_logging_off():
    assert logging.getLogger().manager.disable < logging.ERROR
