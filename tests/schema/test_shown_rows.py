"""Operations read the columns that they show: seen in the statements that they send."""

import asyncio

import pytest
from graphql import is_object_type

from execution.needed import needed_of, reads_of_field, shown_as
from schema.build import build_schema

LOTS = (
    "{ auctions(first: 5) { nodes { title seller { username } topBids { amount { amount } } } } }"
)
ROOTS = ("Query", "Mutation", "Subscription")


@pytest.fixture(scope="module")
def core():
    """The same schema run by graphql-core."""
    return build_schema(executor="graphql-core")


def test_what_every_field_reads_of_its_row_is_known(schema):
    """A field of which that is not known makes its rows be read whole, wherever it is selected."""
    unknown, known = [], 0
    for type_ in schema._schema.type_map.values():
        if is_object_type(type_) and not type_.name.startswith("_") and type_.name not in ROOTS:
            for name, definition in type_.fields.items():
                if reads_of_field(definition) is None:
                    unknown.append(f"{type_.name}.{name}")
                known += 1
    assert unknown == []
    assert known > 300


def test_needs_are_of_the_whole_operation_its_fragments_and_whatever_is_left_out(schema):
    document = schema.documents.prepare(
        schema._schema,
        """query Q($no: Boolean!) {
          auctions { nodes { ...Lot bids { nodes { id } } } }
          node(id: "x") { id ... on Auction @skip(if: $no) { bidCount } ... on User { __typename } }
        }
        fragment Lot on Auction { titled: title currentPrice { amount } seller { username } }""",
    ).document
    needs = needed_of(schema._schema, document.definitions[0], document.definitions[1:]).needs
    assert {"title", "bid_count", "public_id", "id", "seller_id", "priced_at"} <= needs["Auction"]
    assert not {"description", "stall_id"} & needs["Auction"]
    assert needs["User"] == {"public_id", "username"}
    assert needs["Bid"] == {"public_id"}
    assert needs["Product"] == {"public_id"}
    assert "DutchTerms" not in needs


def test_rows_of_connections_are_shown_as_their_nodes(schema):
    types = schema._schema.type_map
    assert shown_as(types["Auction"].fields["bids"].type) == "Bid"
    assert shown_as(types["Auction"].fields["topBids"].type) == "Bid"
    assert shown_as(types["Auction"].fields["seller"].type) == "User"
    assert shown_as(types["Query"].fields["node"].type) is None


async def test_a_query_reads_the_columns_that_it_shows(ask, open_lot, make_user, bid, statements):
    lot, ada = await open_lot(), await make_user("ada")
    await bid(ada, lot, 500)
    statements.clear()
    data = await ask(LOTS)
    assert data["auctions"]["nodes"] == [
        {
            "title": "Bowl",
            "seller": {"username": lot.seller.username},
            "topBids": [{"amount": {"amount": "1.00"}}],
        }
    ]
    lots, bids = statements
    assert lots.startswith(
        "SELECT auction.id, auction.seller_id, auction.title,"
        " beside_0.username AS beside_0_username \nFROM auction"
    )
    assert "FROM bid" in bids
    assert "commitment" not in bids


async def test_whom_a_directive_may_leave_out_is_read_if_it_is_not(ask, open_lot, statements):
    lot = await open_lot()
    text = """query Lots($seen: Boolean!) {
      auctions(first: 5) { nodes { seller @include(if: $seen) { username } } } }"""
    for there, sent in ((False, 1), (True, 2)):
        statements.clear()
        data = await ask(text, seen=there)
        [found] = data["auctions"]["nodes"]
        assert found == ({"seller": {"username": lot.seller.username}} if there else {})
        assert len(statements) == sent


async def test_the_second_time_it_sends_the_very_same_texts(ask, open_lot, statements):
    await open_lot()
    await ask(LOTS)
    statements.clear()
    await ask(LOTS)
    first = [*statements]
    statements.clear()
    await ask(LOTS)
    assert {*map(id, first)} == {*map(id, statements)}
    assert len(first) == 2


async def test_moments_are_told_alike_however_they_are_read(
    core, schema, context_for, open_lot, sql, statements
):
    """Written by the database where nothing else looks at them, by Python where something does."""
    lot = await open_lot()
    given = ("0999-01-01 00:00:00+00", "2031-05-01 12:00:00.5+00", "2031-05-01 12:00:00.000001+02")
    for moment in (*given, "9999-12-31 23:59:59.999999+00", "2031-05-01 00:00:00+00"):
        await sql(f"UPDATE auction SET created_at = '{moment}', closed_at = NULL")
        for fields in ("createdAt closedAt", "createdAt closedAt timeLeft buyNowPrice { amount }"):
            query = f"{{ auctions {{ nodes {{ {fields} }} edges {{ node {{ createdAt }} }} }} }}"
            statements.clear()
            found = await schema.execute(query, context_value=context_for())
            assert "to_char(auction.created_at," in statements[0]
            expected = await core.execute(query, context_value=context_for())
            for result in (found, expected):
                assert result.errors is None
                [node] = result.data["auctions"]["nodes"]
                node.pop("timeLeft", None)
            assert found.data == expected.data
    assert lot.public_id


async def test_one_row_by_its_id_is_read_with_what_is_shown(ask, make_user, statements):
    ada = await make_user("ada")
    statements.clear()
    data = await ask("query Q($id: ID!) { user(id: $id) { displayName } }", id=ada.public_id)
    assert data == {"user": {"displayName": "Ada"}}
    [sent] = statements
    assert sent.startswith("SELECT user_account.id, user_account.display_name \nFROM")


async def test_graphql_core_answers_the_same_from_whole_rows(
    core, schema, context_for, open_lot, statements
):
    await open_lot()
    by_levels = await schema.execute(LOTS, context_value=context_for())
    statements.clear()
    by_core = await core.execute(LOTS, context_value=context_for())
    assert (by_levels.data, by_levels.errors) == (by_core.data, by_core.errors)
    assert "auction.description" in statements[0]


async def test_what_mutations_and_events_look_at_is_whole(ask, make_user, open_lot, statements):
    ada, lot = await make_user("ada"), await open_lot()
    statements.clear()
    await ask(
        """mutation M($id: ID!) { placeBid(input: {
          auctionId: $id, maximum: "5.00", idempotencyKey: "k"
        }) { ... on PlaceBidSuccess { auction { title } } } }""",
        ada,
        id=lot.public_id,
    )
    assert [s for s in statements if "auction.description" in s and "event_topic" in s]


async def test_a_table_that_is_locked_too_long_is_unavailable(
    settings, schema, context_for, make_user, server, shapes
):
    ada = await make_user("ada")
    query = "query Q($id: ID!) { user(id: $id) { displayName } }"
    context = context_for()
    async with server.db.engine.connect() as blocker:
        await blocker.exec_driver_sql("LOCK TABLE user_account IN ACCESS EXCLUSIVE MODE")
        async with server.db.engine.connect() as other:
            # The pool's next connection gives up sooner than the server's would.
            raw = (await other.get_raw_connection()).driver_connection
            await raw.execute("SET statement_timeout = 50")
        async with asyncio.timeout(10):
            result = await schema.execute(
                query, variable_values={"id": ada.public_id}, context_value=context
            )
        await blocker.rollback()
    await raw.execute("SET statement_timeout = 5000")
    assert result.data == {"user": None}
    assert shapes.codes(result) == ["UNAVAILABLE"]
    again = await schema.execute(
        query, variable_values={"id": ada.public_id}, context_value=context_for()
    )
    assert again.data == {"user": {"displayName": "Ada"}}
