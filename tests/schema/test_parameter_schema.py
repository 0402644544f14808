"""The platform's parameters through the schema: for administrators, within ranges, told for
good."""

import pytest

PARAMETERS = """{ parameters { key value defaultValue minimum maximum meaning changedAt
  changes { oldValue newValue reason changedAt actor { username } } } }"""
SET = """mutation ($key: String!, $value: BigInt!, $reason: String! = "A trial.") {
  setParameter(input: {key: $key, value: $value, reason: $reason}) { __typename
    ... on Error { code } ... on InvalidInput { field }
    ... on SetParameterSuccess { parameter { key value changedAt
      changes { oldValue newValue actor { username } } } } } }"""


@pytest.fixture
async def admin(make_user):
    return await make_user("admin", roles=("ADMIN",))


async def test_all_are_told_with_their_ranges(ask, admin):
    found = {p.pop("key"): p for p in (await ask(PARAMETERS, admin))["parameters"]}
    own = {key for key in found if not key.startswith("quest_")}
    assert own == {"fee_basis_points", "soft_close_window_s", "soft_close_extension_s"}
    fee = found["fee_basis_points"]
    assert len(fee.pop("meaning")) > 20
    assert fee == {
        "value": "250",
        "defaultValue": "250",
        "minimum": "0",
        "maximum": "10000",
        "changedAt": None,
        "changes": [],
    }


async def test_a_change_is_told_with_those_before_it(ask, admin, sql):
    await ask(SET, admin, key="fee_basis_points", value="300")
    answer = (await ask(SET, admin, key="fee_basis_points", value="100"))["setParameter"]
    parameter = answer["parameter"]
    assert parameter["value"] == "100"
    assert parameter["changedAt"] is not None
    assert parameter["changes"] == [
        {"oldValue": "300", "newValue": "100", "actor": {"username": "admin"}},
        {"oldValue": "250", "newValue": "300", "actor": {"username": "admin"}},
    ]
    assert len(await sql("SELECT id FROM platform_parameter_change")) == 2


async def test_all_with_their_changes_take_three_statements(ask, admin, statements):
    await ask(SET, admin, key="fee_basis_points", value="300")
    await ask(SET, admin, key="soft_close_window_s", value="60")
    statements.clear()
    every = (await ask(PARAMETERS, admin))["parameters"]
    found = [p for p in every if not p["key"].startswith("quest_")]
    assert [len(p["changes"]) for p in found] == [1, 1, 0]
    assert len(statements) == 3  # values, changes, people


async def test_what_is_out_of_bounds_is_refused_by_field(ask, admin, snapshot, sql):
    before = await snapshot()
    for given, field in (
        ({"key": "fee", "value": "1"}, "key"),
        ({"key": "fee_basis_points", "value": "10001"}, "value"),
        ({"key": "fee_basis_points", "value": "-9223372036854775808"}, "value"),
        ({"key": "fee_basis_points", "value": "1", "reason": ""}, "reason"),
    ):
        answer = (await ask(SET, admin, **given))["setParameter"]
        assert answer == {"__typename": "InvalidInput", "code": "INVALID_INPUT", "field": field}
    assert await snapshot() == before
    assert await sql("SELECT key FROM platform_parameter") == []


async def test_nobody_else_reads_or_sets_them(execute, make_user, shapes, sql):
    moderator = await make_user("moderator", roles=("MODERATOR",))
    for person, code in ((None, "UNAUTHENTICATED"), (moderator, "FORBIDDEN")):
        assert shapes.codes(await execute(PARAMETERS, person)) == [code]
        result = await execute(SET, person, key="fee_basis_points", value="1")
        assert shapes.codes(result) == [code]
    assert await sql("SELECT key FROM platform_parameter") == []
