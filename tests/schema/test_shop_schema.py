"""Buying, orders and refunds through the real schema: who sees what, and what a refusal says."""

import itertools
from datetime import timedelta
from functools import partial

import pytest

from core.clock import utc_now
from core.ids import encode_id
from models.auctions import StallMember
from services.auctions.closing import close_auction

ORDER = """id status quantity createdAt fulfilledAt refundedAt
  unitPrice { amount asset } price { amount } fee { amount }
  product { id } stall { id } auction { id } buyer { username } seller { username }
  transfers { code amount { amount } reference { id } }"""
ERRORS = """... on Error { code message } ... on OutOfStock { available }
  ... on PriceChanged { price { amount asset } } ... on InvalidInput { field }
  ... on InsufficientFunds { funds: available { amount } required { amount } }"""
PURCHASE = f"""
mutation ($product: ID!, $quantity: Int! = 1, $price: Decimal! = "10", $asset: AssetCode! = USD,
          $key: String! = "k") {{
  purchaseProduct(input: {{productId: $product, quantity: $quantity, idempotencyKey: $key,
                           unitPrice: {{amount: $price, asset: $asset}}}}) {{
    __typename {ERRORS} ... on PurchaseProductSuccess {{ order {{ {ORDER} }} }} }} }}"""
FULFIL = f"""mutation ($id: ID!) {{ fulfilOrder(input: {{orderId: $id}}) {{
  __typename ... on Error {{ code }} ... on WrongOrderStatus {{ status }}
  ... on FulfilOrderSuccess {{ order {{ {ORDER} }} }} }} }}"""
REFUND = f"""mutation ($id: ID!, $key: String! = "r") {{
  refundOrder(input: {{orderId: $id, idempotencyKey: $key}}) {{
  __typename ... on Error {{ code }} ... on WrongOrderStatus {{ status }}
  ... on InsufficientFunds {{ required {{ amount }} }}
  ... on RefundOrderSuccess {{ order {{ {ORDER} }} }} }} }}"""
SEE = "query ($id: ID!) { order(id: $id) { id fee { amount } transfers { code } } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
OWN = "{ me { orders { totalCount nodes { id product { name } } } } }"


@pytest.fixture
async def seller(make_user):
    return await make_user("seller", roles=("ARTISAN",), funds=0)


@pytest.fixture
async def partner(server, make_user, stall_id):
    person = await make_user("partner")

    async def work(tx):
        tx.add(StallMember(stall_id=stall_id, user_id=person.id))

    await server.db.transaction(work)
    return person


@pytest.fixture
async def buyer(make_user):
    return await make_user("buyer", funds=100_000)


@pytest.fixture
async def stall_id(seller, open_stall):
    return await open_stall(seller)


@pytest.fixture
async def product(seller, stall_id, list_product):
    made = await list_product(seller, stall_id, name="Bowl", price_minor=1_000, inventory_count=9)
    return encode_id("prd", made)


@pytest.fixture
def buy(ask, product):
    """`await buy(person, …)`: what `purchaseProduct` answers; a key of its own if none is given."""
    numbers = itertools.count(1)

    async def purchase(person, **given):
        given = {"product": product, "key": f"key {next(numbers)}", **given}
        return (await ask(PURCHASE, person, **given))["purchaseProduct"]

    return purchase


async def test_a_purchase_answers_with_its_order(buy, buyer, seller, product, stall_id):
    answer = await buy(buyer, quantity=3)
    assert answer.pop("__typename") == "PurchaseProductSuccess"
    order = answer["order"]
    assert order.pop("id").startswith("ord_")
    assert order.pop("createdAt") is not None
    transfers = order.pop("transfers")
    assert [(t["code"], t["amount"]["amount"]) for t in transfers] == [
        ("PURCHASE", "29.25"),
        ("FEE", "0.75"),
    ]
    assert order == {
        "status": "PAID",
        "quantity": 3,
        "fulfilledAt": None,
        "refundedAt": None,
        "unitPrice": {"amount": "10.00", "asset": "USD"},
        "price": {"amount": "30.00"},
        "fee": None,  # the seller's side alone sees it
        "product": {"id": product},
        "stall": {"id": encode_id("stl", stall_id)},
        "auction": None,
        "buyer": {"username": "buyer"},
        "seller": {"username": "seller"},
    }


async def test_transfers_of_an_order_name_it(buy, buyer):
    order = (await buy(buyer))["order"]
    assert {t["reference"]["id"] for t in order["transfers"]} == {order["id"]}


async def test_the_same_key_gives_the_same_order(buy, buyer, sql):
    first, second = await buy(buyer, key="k"), await buy(buyer, key="k")
    assert first == second
    assert len(await sql("SELECT id FROM sale_order")) == 1
    assert (await buy(buyer, key="k", quantity=2))["code"] == "IDEMPOTENCY_CONFLICT"


async def test_refusals_say_what_a_client_needs_and_move_nothing(
    buy, buyer, seller, partner, make_user, snapshot
):
    poor = await make_user("poor", funds=999)
    before = await snapshot()
    refused = [
        ((buyer, {"quantity": 10}), {"code": "OUT_OF_STOCK", "available": 9}),
        (
            (buyer, {"price": "9.99"}),
            {"code": "PRICE_CHANGED", "price": {"amount": "10.00", "asset": "USD"}},
        ),
        (
            (buyer, {"asset": "EUR"}),
            {"code": "PRICE_CHANGED", "price": {"amount": "10.00", "asset": "USD"}},
        ),
        (
            (poor, {}),
            {
                "code": "INSUFFICIENT_FUNDS",
                "funds": {"amount": "9.99"},
                "required": {"amount": "10.00"},
            },
        ),
        ((seller, {}), {"code": "SELLER_CANNOT_BUY"}),
        ((partner, {}), {"code": "SELLER_CANNOT_BUY"}),
        ((buyer, {"product": "prd_" + "0" * 32}), {"code": "NOT_FOUND"}),
        ((buyer, {"product": "bowl"}), {"code": "NOT_FOUND"}),
        ((buyer, {"quantity": 0}), {"code": "INVALID_INPUT", "field": "quantity"}),
        ((buyer, {"quantity": 1_001}), {"code": "INVALID_INPUT", "field": "quantity"}),
        ((buyer, {"price": "10.001"}), {"code": "INVALID_INPUT", "field": "unitPrice"}),
        ((buyer, {"price": "-1"}), {"code": "INVALID_INPUT", "field": "unitPrice"}),
        ((buyer, {"price": "0"}), {"code": "INVALID_INPUT", "field": "unitPrice"}),
        ((buyer, {"key": ""}), {"code": "INVALID_INPUT", "field": "idempotencyKey"}),
    ]
    for (person, given), said in refused:
        answer = await buy(person, **given)
        assert {name: answer.get(name) for name in said} == said, (given, answer)
    assert await snapshot() == before


async def test_who_is_not_signed_in_or_may_not_buy_is_refused(
    execute, product, make_user, shapes, snapshot
):
    guest = await make_user("guest", scopes={"content:read"})
    before = await snapshot()
    for query, given in (
        (PURCHASE, {"product": product}),
        (FULFIL, {"id": "ord_" + "0" * 32}),
        (REFUND, {"id": "ord_" + "0" * 32}),
    ):
        assert shapes.codes(await execute(query, **given)) == ["UNAUTHENTICATED"]
    assert shapes.codes(await execute(PURCHASE, guest, product=product)) == ["FORBIDDEN"]
    assert await snapshot() == before


async def test_an_order_is_seen_by_its_parties_and_moderators_alone(
    ask, buy, buyer, seller, partner, make_user
):
    order = (await buy(buyer))["order"]["id"]
    moderator = await make_user("moderator", roles=("MODERATOR",))
    stranger = await make_user("stranger")
    seen = {
        None: None,
        stranger: None,
        buyer: {"fee": None, "transfers": [{"code": "PURCHASE"}, {"code": "FEE"}]},
        seller: {"fee": {"amount": "0.25"}, "transfers": [{"code": "PURCHASE"}]},
        partner: {"fee": {"amount": "0.25"}, "transfers": []},
        moderator: {"fee": {"amount": "0.25"}, "transfers": []},
    }
    for person, wanted in seen.items():
        shown = (await ask(SEE, person, id=order))["order"]
        assert shown == (None if wanted is None else {"id": order, **wanted}), person
        node = (await ask(NODE, person, id=order))["node"]
        assert node == (None if wanted is None else {"__typename": "Order", "id": order}), person
    for id in ("ord_" + "0" * 32, "ord_1", "order", ""):
        assert (await ask(SEE, moderator, id=id))["order"] is None


async def test_ones_orders_are_ones_own(ask, buy, buyer, seller, make_user):
    bought = [(await buy(buyer))["order"]["id"] for _ in range(3)]
    await buy(await make_user("other"))
    orders = (await ask(OWN, buyer))["me"]["orders"]
    assert [o["id"] for o in orders["nodes"]] == bought[::-1]
    assert orders["totalCount"] == 3
    assert (await ask(OWN, seller))["me"]["orders"]["nodes"] == []
    theirs = "query ($id: ID!) { user(id: $id) { username orders { totalCount } } }"
    for person in (seller, None):
        shown = (await ask(theirs, person, id=buyer.public_id))["user"]
        assert shown == {"username": "buyer", "orders": None}


async def test_orders_come_in_pages(ask, buy, buyer):
    bought = [(await buy(buyer))["order"]["id"] for _ in range(5)]
    query = """query ($first: Int, $after: Cursor) { me { orders(first: $first, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } } }"""
    found, after = [], None
    for _ in range(3):
        page = (await ask(query, buyer, first=2, after=after))["me"]["orders"]
        found += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert found == bought[::-1]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_a_stalls_orders_are_its_peoples(ask, buy, buyer, seller, partner, make_user):
    order = (await buy(buyer))["order"]["id"]
    query = '{ stall(slug: "stall-1") { name orders { totalCount nodes { id fee { amount } } } } }'
    shown = {"totalCount": 1, "nodes": [{"id": order, "fee": {"amount": "0.25"}}]}
    moderator = await make_user("moderator", roles=("MODERATOR",))
    for person in (seller, partner):
        assert (await ask(query, person))["stall"]["orders"] == shown
    for person in (buyer, moderator, None):
        assert (await ask(query, person))["stall"] == {"name": "Stall 1", "orders": None}


async def test_a_sold_lot_leads_to_its_order(ask, server, open_lot, bid, buyer, make_user):
    lot = await open_lot()
    await bid(buyer, lot, 5_000)
    query = "query ($id: ID!) { auction(id: $id) { order { status price { amount } } } }"
    assert (await ask(query, buyer, id=lot.public_id))["auction"]["order"] is None
    await close_at_the_end(server, lot)
    moderator = await make_user("moderator", roles=("MODERATOR",))
    shown = {"status": "PAID", "price": {"amount": "1.00"}}
    for person in (buyer, lot.seller, moderator):
        assert (await ask(query, person, id=lot.public_id))["auction"]["order"] == shown
    for person in (None, await make_user("stranger")):
        assert (await ask(query, person, id=lot.public_id))["auction"]["order"] is None


async def close_at_the_end(server, lot):
    later = utc_now() + timedelta(days=1)
    closing = await server.db.transaction(partial(close_auction, auction_id=lot.id, now=later))
    assert closing.status == "SOLD"


async def test_fulfilling_and_refunding(ask, buy, buyer, seller, partner):
    order = (await buy(buyer, quantity=2))["order"]["id"]
    answer = (await ask(FULFIL, partner, id=order))["fulfilOrder"]
    assert answer["order"]["status"] == "FULFILLED"
    moment = answer["order"]["fulfilledAt"]
    assert moment is not None
    again = (await ask(FULFIL, seller, id=order))["fulfilOrder"]["order"]
    assert (again["status"], again["fulfilledAt"]) == ("FULFILLED", moment)
    assert (await ask(REFUND, partner, id=order))["refundOrder"]["code"] == "FORBIDDEN"
    answer = (await ask(REFUND, seller, id=order))["refundOrder"]["order"]
    assert (answer["status"], answer["fulfilledAt"]) == ("REFUNDED", moment)
    assert [t["code"] for t in answer["transfers"]] == ["PURCHASE", "REFUND"]
    assert (await ask(REFUND, seller, id=order))["refundOrder"]["order"] == answer
    answer = (await ask(REFUND, seller, id=order, key="another"))["refundOrder"]
    assert (answer["code"], answer["status"]) == ("WRONG_ORDER_STATUS", "REFUNDED")
    answer = (await ask(FULFIL, seller, id=order))["fulfilOrder"]
    assert (answer["code"], answer["status"]) == ("WRONG_ORDER_STATUS", "REFUNDED")
    assert (await ask("{ wallet { account(asset: USD) { balance { amount } } } }", buyer))[
        "wallet"
    ]["account"] == {"balance": {"amount": "1000.00"}}


async def test_a_moderator_refunds_and_sees_the_order(ask, buy, buyer, make_user):
    order = (await buy(buyer))["order"]["id"]
    moderator = await make_user("moderator", roles=("MODERATOR",))
    answer = (await ask(REFUND, moderator, id=order))["refundOrder"]["order"]
    assert (answer["status"], answer["fee"]) == ("REFUNDED", {"amount": "0.25"})


async def test_who_may_not_settle_an_order_changes_nothing(
    ask, buy, buyer, seller, make_user, snapshot
):
    order = (await buy(buyer))["order"]["id"]
    stranger = await make_user("stranger")
    before = await snapshot()
    for person, code in ((buyer, "FORBIDDEN"), (stranger, "NOT_FOUND")):
        assert (await ask(FULFIL, person, id=order))["fulfilOrder"]["code"] == code
        assert (await ask(REFUND, person, id=order))["refundOrder"]["code"] == code
    for id in ("ord_" + "0" * 32, "ord_1"):
        assert (await ask(FULFIL, seller, id=id))["fulfilOrder"]["code"] == "NOT_FOUND"
        assert (await ask(REFUND, seller, id=id))["refundOrder"]["code"] == "NOT_FOUND"
    assert (await ask(REFUND, seller, id=order, key=""))["refundOrder"]["code"] == "INVALID_INPUT"
    assert await snapshot() == before


async def test_a_seller_who_spent_it_is_told_what_lacks(ask, buy, buyer, seller, snapshot):
    order = (await buy(buyer))["order"]["id"]
    withdraw = """mutation { withdrawFunds(input: {amount: {amount: "1", asset: USD},
      idempotencyKey: "w"}) { __typename } }"""
    assert (await ask(withdraw, seller))["withdrawFunds"]["__typename"] == "WithdrawFundsSuccess"
    before = await snapshot()
    answer = (await ask(REFUND, seller, id=order))["refundOrder"]
    assert (answer["code"], answer["required"]) == ("INSUFFICIENT_FUNDS", {"amount": "9.75"})
    assert await snapshot() == before


async def test_a_page_of_orders_with_all_that_hangs_on_it_takes_few_statements(
    ask, buy, buyer, seller, statements
):
    for _ in range(9):
        await buy(buyer)
    query = f'{{ stall(slug: "stall-1") {{ orders {{ nodes {{ {ORDER} }} }} }} }}'
    statements.clear()
    orders = (await ask(query, seller))["stall"]["orders"]["nodes"]
    assert len(orders) == 9
    assert all(o["fee"] == {"amount": "0.25"} and len(o["transfers"]) == 1 for o in orders)
    # stall, whether it is the viewer's, orders, products, stalls, people, transfers, references
    assert len(statements) == 8


async def test_orders_of_many_auctions_take_one_statement(
    ask, server, open_lot, bid, buyer, statements
):
    lots = [await open_lot() for _ in range(4)]
    for lot in lots:
        await bid(buyer, lot, 200)
        await close_at_the_end(server, lot)
    statements.clear()
    shown = await ask("{ auctions { nodes { order { status } } } }", buyer)
    assert [a["order"] for a in shown["auctions"]["nodes"]] == [{"status": "PAID"}] * 4
    assert len(statements) == 2


async def test_a_price_is_changed_and_taken_away(ask, seller, product, execute):
    update = """mutation ($id: ID!, $price: Decimal) {
      updateProduct(input: {productId: $id, price: $price}) { __typename
        ... on InvalidInput { field } ... on UpdateProductSuccess {
        product { price { amount } } } } }"""
    changed = (await ask(update, seller, id=product, price="12.5"))["updateProduct"]
    assert changed["product"] == {"price": {"amount": "12.50"}}
    for price in ("0", "-1", "100000000", "1.001"):
        answer = (await ask(update, seller, id=product, price=price))["updateProduct"]
        assert answer == {"__typename": "InvalidInput", "field": "price"}, price
    shown = await ask("query ($id: ID!) { product(id: $id) { price { amount } } }", id=product)
    assert shown["product"] == {"price": {"amount": "12.50"}}
    changed = (await ask(update, seller, id=product, price=None))["updateProduct"]
    assert changed["product"] == {"price": None}


async def test_without_stock_no_auction_is_made(ask, seller, stall_id, list_product, snapshot):
    sold_out = encode_id("prd", await list_product(seller, stall_id, inventory_count=0))
    before = await snapshot()
    create = """mutation ($id: ID!, $end: DateTime!) {
      createAuction(input: {productId: $id, startingPrice: "1", endsAt: $end}) { __typename
      ... on OutOfStock { code available } } }"""
    end = (utc_now() + timedelta(hours=1)).isoformat()
    answer = (await ask(create, seller, id=sold_out, end=end))["createAuction"]
    assert answer == {"__typename": "OutOfStock", "code": "OUT_OF_STOCK", "available": 0}
    assert await snapshot() == before
