"""The platform's parameters: ranges, one change at a time, a log that only grows, and lots that
keep the values they began with."""

import asyncio
from functools import partial

import pytest
from sqlalchemy.exc import DBAPIError

from core.errors import InvalidInput
from services.auctions.selling import DutchTerms
from services.parameters import PARAMETERS, read_parameters, set_parameter

CHANGES = "SELECT key, old_value, new_value, reason, actor_id FROM platform_parameter_change"


@pytest.fixture
async def admin(market):
    return await market.person()


@pytest.fixture
def set_to(market, admin):
    def change(key, value, reason="A trial."):
        return market.db.transaction(
            partial(set_parameter, actor_id=admin, key=key, value=value, reason=reason)
        )

    return change


@pytest.fixture
def read(market):
    return lambda *keys: market.db.transaction(lambda tx: read_parameters(tx, *keys))


async def test_what_was_never_set_is_its_default(read):
    found = await read(*PARAMETERS)
    assert found.pop("quest_upload_within_h") == 24
    assert {key: found[key] for key in found if not key.startswith("quest_")} == {
        "fee_basis_points": 250,
        "soft_close_window_s": 120,
        "soft_close_extension_s": 120,
    }


async def test_a_change_is_kept_with_who_what_and_why(market, admin, set_to, read):
    assert await set_to("fee_basis_points", 300, "A dearer year.\nSays the board.") is True
    assert await set_to("fee_basis_points", 200) is True
    assert await read("fee_basis_points") == {"fee_basis_points": 200}
    assert await market.rows(f"{CHANGES} ORDER BY changed_at") == [
        ("fee_basis_points", 250, 300, "A dearer year.\nSays the board.", admin),
        ("fee_basis_points", 300, 200, "A trial.", admin),
    ]
    audited = await market.rows(
        "SELECT actor_id, details FROM security_event WHERE kind = 'PARAMETER_CHANGED' ORDER BY at"
    )
    assert [row.actor_id for row in audited] == [admin, admin]
    assert audited[1].details == {
        "key": "fee_basis_points",
        "old": 300,
        "new": 200,
        "reason": "A trial.",
    }
    [row] = await market.rows("SELECT changed_by FROM platform_parameter")
    assert row.changed_by == admin


async def test_the_same_value_again_changes_nothing(market, set_to):
    before = await market.everything()
    assert await set_to("fee_basis_points", 250) is False  # which it is by default
    assert await market.everything() == before
    await set_to("soft_close_window_s", 60)
    before = await market.everything()
    assert await set_to("soft_close_window_s", 60) is False
    assert await market.everything() == before


@pytest.mark.parametrize(
    ("key", "value", "reason", "field"),
    [
        ("fee", 1, "x", "key"),
        ("", 1, "x", "key"),
        ("fee_basis_points", -1, "x", "value"),
        ("fee_basis_points", 10_001, "x", "value"),
        ("soft_close_window_s", 86_401, "x", "value"),
        ("soft_close_extension_s", -1, "x", "value"),
        ("fee_basis_points", 1, "", "reason"),
        ("fee_basis_points", 1, " \n ", "reason"),
        ("fee_basis_points", 1, "x" * 501, "reason"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_by_field(market, set_to, key, value, reason, field):
    before = await market.everything()
    with pytest.raises(InvalidInput) as raised:
        await set_to(key, value, reason)
    assert raised.value.field == field
    assert await market.everything() == before
    assert await market.rows("SELECT id FROM security_event") == []


async def test_two_who_set_it_at_once_take_turns(market, set_to):
    await asyncio.gather(*(set_to("fee_basis_points", n) for n in range(300, 310)))
    changes = await market.rows(
        "SELECT old_value, new_value FROM platform_parameter_change ORDER BY id"
    )
    olds, news = sorted(c.old_value for c in changes), sorted(c.new_value for c in changes)
    [now] = await market.rows("SELECT value FROM platform_parameter")
    assert news == list(range(300, 310))
    assert olds == sorted({250, *news} - {now.value})  # each change tells what was before it


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE platform_parameter_change SET reason = 'another'",
        "DELETE FROM platform_parameter_change",
        "TRUNCATE platform_parameter_change",
        "DELETE FROM platform_parameter_change WHERE false",
    ],
)
async def test_the_log_of_changes_only_grows(market, set_to, statement):
    await set_to("fee_basis_points", 300)
    with pytest.raises(DBAPIError, match="what was changed stays told"):
        await market.run(statement)
    assert len(await market.rows(CHANGES)) == 1


async def test_a_lot_keeps_the_values_it_began_with(market, set_to):
    await market.put_up()
    await set_to("fee_basis_points", 1_000)
    await set_to("soft_close_window_s", 30)
    await set_to("soft_close_extension_s", 45)
    await market.put_up()
    await market.put_up(soft_close_window_s=10)
    await market.put_up(format="DUTCH", dutch=DutchTerms(10, 60, 50))
    rows = await market.rows(
        "SELECT fee_basis_points, soft_close_window_s, soft_close_extension_s FROM auction"
        " ORDER BY created_at"
    )
    assert rows == [(250, 120, 120), (1_000, 30, 45), (1_000, 10, 45), (1_000, 0, 0)]
