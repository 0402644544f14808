"""The platform's parameters: what each means and may be, what it is now, and who changed it.

What runs keeps the values it began with: whoever needs one reads it in the transaction that begins
something, and stores it with what began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput
from core.ids import new_id
from core.text import clean_text
from services.users.audit import audit

MAX_REASON_LENGTH = 500

_READ = text("SELECT key, value FROM platform_parameter WHERE key = ANY (CAST(:keys AS text[]))")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('parameter:' || :key, 0))")
_SET = text(
    """
    WITH told AS (
        INSERT INTO platform_parameter_change (id, key, old_value, new_value, reason, actor_id)
        VALUES (:id, :key, :old, :new, :reason, :actor)
    )
    INSERT INTO platform_parameter AS p (key, value, changed_by) VALUES (:key, :new, :actor)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, changed_by = excluded.changed_by,
        changed_at = clock_timestamp()
    """
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A whole number that administrators may set, from `minimum` to `maximum`."""

    key: str
    default: int
    minimum: int
    maximum: int
    meaning: str


FEE_BASIS_POINTS = "fee_basis_points"
SOFT_CLOSE_WINDOW_S = "soft_close_window_s"
SOFT_CLOSE_EXTENSION_S = "soft_close_extension_s"
QUEST_UPLOAD_WITHIN_H = "quest_upload_within_h"


def _multiplier(key: str, default: int, meaning: str, *, least: int = 50) -> Parameter:
    said = f"Of a quest's reward, in hundredths: {meaning}"
    return Parameter(f"quest_{key}", default=default, minimum=least, maximum=200, meaning=said)


_MULTIPLIERS = (
    *(
        _multiplier(f"difficulty_{level}", default, f"the multiplier of difficulty {level}.")
        for level, default in enumerate((50, 75, 100, 150, 200), start=1)
    ),
    _multiplier("authenticity_least", 50, "the multiplier of an authenticity of 0."),
    _multiplier("authenticity_most", 150, "the multiplier of an authenticity of 100."),
    _multiplier("streak_step", 2, "what each day in a row adds.", least=0),
    _multiplier("streak_most", 150, "the most that days in a row make.", least=100),
    _multiplier("zone_need_least", 50, "the least that a zone's need makes."),
    _multiplier("zone_need_most", 200, "the most that a zone's need makes."),
    _multiplier("team_step", 5, "what each member of a team adds.", least=0),
    _multiplier("team_most", 125, "the most that a team makes.", least=100),
    _multiplier("timeliness_early", 125, "the multiplier of the first third of its time."),
    _multiplier("timeliness_late", 80, "the multiplier of the last tenth of its time."),
)


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        parameter.key: parameter
        for parameter in (
            *_MULTIPLIERS,
            Parameter(
                QUEST_UPLOAD_WITHIN_H,
                default=24,
                minimum=1,
                maximum=720,
                meaning="How many hours after evidence was captured it may be sent, for quests "
                "taken on from now on.",
            ),
            Parameter(
                FEE_BASIS_POINTS,
                default=250,
                minimum=0,
                maximum=10_000,
                meaning="The platform's part of a sale's price, in hundredths of a percent.",
            ),
            Parameter(
                SOFT_CLOSE_WINDOW_S,
                default=120,
                minimum=0,
                maximum=86_400,
                meaning="A bid in this many last seconds extends an auction, unless its seller "
                "said otherwise; 0 switches that off.",
            ),
            Parameter(
                SOFT_CLOSE_EXTENSION_S,
                default=120,
                minimum=0,
                maximum=86_400,
                meaning="How many seconds such a bid leaves for an answer, unless the auction's "
                "seller said otherwise.",
            ),
        )
    }
)
"""All that may be set. A domain that needs another adds it here."""


async def read_parameters(tx: Transaction, *keys: str) -> dict[str, int]:
    """What the parameters are now, by key; one statement. Raises `KeyError` for an unknown one."""
    found = {key: PARAMETERS[key].default for key in keys}
    rows = await tx.execute(_READ, {"keys": list(keys)})
    return found | {row.key: row.value for row in rows}


async def set_parameter(
    tx: Transaction, *, actor_id: UUID, key: str, value: int, reason: str
) -> bool:
    """Give a parameter another value, for all that begins from now on; whether it had another.

    The change and its reason (1 to 500 characters) are kept for good. Raises `InvalidInput` for an
    unknown key, a value out of its range, or a bad reason.
    """
    parameter = PARAMETERS.get(key)
    if parameter is None:
        raise InvalidInput("key", f"one of {', '.join(PARAMETERS)}")
    if not parameter.minimum <= value <= parameter.maximum:
        raise InvalidInput("value", f"from {parameter.minimum} to {parameter.maximum}")
    said = clean_text(reason, field="reason", maximum=MAX_REASON_LENGTH, multiline=True)
    # Two who set it at once take turns, so that each change tells what was before it.
    await tx.execute(_LOCK, {"key": key})
    old = (await read_parameters(tx, key))[key]
    if old == value:
        return False
    change = {"id": new_id(), "key": key, "old": old, "new": value}
    await tx.execute(_SET, {**change, "reason": said, "actor": actor_id})
    await audit(
        tx,
        "PARAMETER_CHANGED",
        user_id=None,
        actor_id=actor_id,
        details={"key": key, "old": old, "new": value, "reason": said},
    )
    return True
