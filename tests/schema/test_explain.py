"""What `mela explain` and `extensions.plan` tell of real operations, held against what is sent."""

import io

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from execution.explain import as_json, as_mermaid
from execution.limits import Limits
from schema.build import build_schema
from schema.explain_command import add_explain
from schema.explaining import NotExplained, explain

PAGE = """query Page($n: Int = 20) { auctions(first: $n) { nodes { id title
  seller { username } topBids(first: 3) { id bidder { username } } } } }"""


def nodes_of(plan):
    return {node.coordinate: node for root in plan.nodes for node in root.walk()}


async def test_a_plan_says_how_each_field_gets_its_values_and_what_it_costs(schema):
    plan = await explain(schema, PAGE, variables={"n": 10})
    assert (plan.operation, plan.kind, plan.executor) == ("Page", "query", "levels")
    nodes = nodes_of(plan)
    told = {name: (node.kind, node.rows, node.cost) for name, node in nodes.items()}
    assert told == {
        "Query.auctions": ("resolver", 1, 1),
        "AuctionConnection.nodes": ("attribute", 1, 10),
        "Auction.id": ("attribute", 10, 0),
        "Auction.title": ("attribute", 10, 0),
        "Auction.seller": ("keyed", 10, 10),
        "Auction.topBids": ("paged", 10, 30),
        "Bid.id": ("attribute", 30, 0),
        "Bid.bidder": ("keyed", 30, 30),
        "User.username": ("attribute", 30, 0),
    }
    assert plan.cost == 81
    assert nodes["Query.auctions"].arguments == "first: $n"
    seller = nodes["Auction.seller"].loading
    assert (seller.loader, seller.columns) == ("user_by_id", ("id", "username"))
    assert nodes["Auction.topBids"].loading.loader == "top_bids_by_auction_id"


async def test_the_statements_told_are_those_a_run_sends(
    schema, context_for, make_user, open_lot, bid, statements
):
    ada, lot = await make_user("ada"), await open_lot()
    await bid(ada, lot, 500)
    plan = await explain(schema, PAGE)
    loads = [node.loading for node in nodes_of(plan).values() if node.loading]
    expected = {*plan.statements, *(load.statement for load in loads if not load.beside)}
    statements.clear()
    result = await schema.execute(
        PAGE, context_value=context_for(), operation_extensions={"plan": True}
    )
    assert result.errors is None
    assert len(result.data["auctions"]["nodes"][0]["topBids"]) == 1
    assert {*statements} == expected
    assert result.extensions["plan"]["statements"] == statements


async def test_an_answer_carries_the_plan_where_it_is_asked_for(schema, context_for):
    text = "query Who { me { id } }"
    result = await schema.execute(
        text, context_value=context_for(), operation_extensions={"plan": True}
    )
    assert result.data == {"me": None}
    plan = result.extensions["plan"]
    expected = as_json(await explain(schema, text)) | {"statements": []}
    assert plan == expected
    assert [node["field"] for node in plan["nodes"]] == ["Query.me"]
    for given in (None, {}, {"plan": False}, {"plan": "yes"}):
        result = await schema.execute(text, context_value=context_for(), operation_extensions=given)
        assert result.extensions is None


async def test_nothing_is_told_where_the_schema_may_not_be_looked_at(context_for):
    prod = build_schema(limits=Limits(introspection=False))
    result = await prod.execute(
        "{ me { id } }", context_value=context_for(), operation_extensions={"plan": True}
    )
    assert result.data == {"me": None}
    assert result.extensions is None


async def test_a_header_asks_for_it_too(client):
    body = {"query": "{ me { id } }"}
    plain = (await client.post("/graphql", json=body)).json()
    assert plain == {"data": {"me": None}}
    told = (await client.post("/graphql", json=body, headers={"X-Mela-Plan": "1"})).json()
    assert told["data"] == {"me": None}
    assert told["extensions"]["plan"]["mermaid"].startswith("flowchart LR\n")
    asked = await client.post("/graphql", json=body | {"extensions": {"plan": True}})
    assert asked.json()["extensions"] == told["extensions"]


async def test_a_plan_as_a_drawing(schema):
    plan = await explain(schema, '{ node(id: "x") { id ... on Auction { seller { username } } } }')
    lines = as_mermaid(plan).split("\n")
    assert lines[:3] == [
        "flowchart LR",
        '  n0[["query anonymous<br/>cost 2"]]',
        '  n0 --> n1["node: Node<br/>resolver"]',
    ]
    [auction] = [line for line in lines if '["on: Auction<br/>type<br/>id"]' in line]
    number = auction.removeprefix("  n1 --> ").partition("[")[0]
    [seller] = [line for line in lines if "seller: User!" in line]
    assert seller.startswith(f"  {number} ==> n")
    assert seller.endswith('("seller: User!<br/>keyed by user_by_id<br/>username")')


async def test_mutations_are_told_and_not_run(schema, statements):
    statements.clear()
    plan = await explain(
        schema,
        'mutation { follow(input: {userId: "usr_1"}) { __typename } }',
    )
    assert [node.kind for node in plan.nodes] == ["resolver"]
    assert plan.cost == 21  # 10 as a mutation, 10 for its field, 1 for the input
    assert plan.statements == ()
    assert statements == []


async def test_what_graphql_core_runs_has_no_nodes(schema):
    plan = await explain(schema, "{ __schema { queryType { name } } }")
    assert (plan.executor, plan.nodes, plan.cost) == ("graphql-core", (), 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{ nonsense }", "Cannot query field 'nonsense' on type 'Query'."),
        ("fragment F on Query { me { id } } { me { id } }", "Fragment 'F' is never used."),
        ("query A($id: ID!) { user(id: $id) { id } }", "Variable '$id'"),
    ],
)
async def test_what_cannot_run_has_no_plan(schema, text, said):
    with pytest.raises(NotExplained, match=said.replace("$", r"\$")):
        await explain(schema, text)


@pytest.fixture
def run_command():
    def run(*arguments, stdin=None):
        out = io.StringIO()
        app = typer.Typer()
        app.callback()(lambda: None)
        add_explain(app, Console(file=out, width=200))
        result = CliRunner().invoke(app, ["explain", *arguments], input=stdin)
        return out.getvalue() or str(result.exception)

    return run


def test_the_command_takes_a_file_a_text_or_its_input(run_command, tmp_path):
    file = tmp_path / "page.graphql"
    file.write_text(PAGE)
    shown = run_command(str(file))
    assert run_command(PAGE) == run_command("-", stdin=PAGE) == shown
    assert shown.startswith("query Page  cost 161, by levels\n")
    beside = "beside few rows, else by user_by_id"
    assert f"seller: User!  keyed  {beside}  (id, username)  cost 20" in shown
    assert "FROM user_account" in shown
    assert run_command(PAGE, "--variables", '{"n": 1}').startswith("query Page  cost 9,")
    assert run_command(PAGE, "--mermaid").startswith("flowchart LR\n")
    assert run_command(PAGE, "--json").startswith('{\n  "operation": "Page"')


def test_the_command_says_what_is_wrong_in_a_line(run_command):
    assert run_command("nowhere.graphql") == "mela: nowhere.graphql: No such file or directory"
    assert run_command("{ me").startswith("mela: Syntax Error: Expected Name, found <EOF>.")
    assert run_command(PAGE, "--variables", "[1]") == "mela: --variables must be a JSON object"
    assert run_command(PAGE, "--operation-name", "Other") == "mela: no such operation"
