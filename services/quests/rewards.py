"""What a verified assignment gives, once: tokens by the ledger, an impact entry, XP, level, streak
and badges, in the transaction of whoever verified it. What it is worth: multipliers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import NotFound
from core.events import NewEvent
from core.ids import encode_id, new_id
from core.jsontext import to_json
from services.quests.badges import Tally, newly_earned
from services.quests.budgets import accounts_of, payment, sponsor_may_pay
from services.quests.contract import Terms, terms_of
from services.quests.errors import WrongAssignmentStatus
from services.quests.levels import level_of
from services.quests.multipliers import Breakdown, Deed, break_down, maps_of
from services.quests.streaks import Streak, advance, fold_deeds
from services.users.accounts import user_topic
from services.users.notifications import notify
from services.wallets.book import enter_all, refusal_of
from services.wallets.errors import AccountFrozen
from services.wallets.ledger import open_book, write_book

ACHIEVEMENT_PREFIX = "ach"
REWARDED = "QuestRewarded"

_LOCK = text(
    """
    SELECT a.id, a.quest_id, a.player_id, a.team_id, a.team_size, a.status, a.terms,
           a.authenticity, a.submitted_at,
           coalesce(p.time_zone, 'UTC') AS time_zone
    FROM assignment AS a LEFT JOIN profile AS p ON p.user_id = a.player_id
    WHERE a.id = :id FOR NO KEY UPDATE OF a
    """
)
_ENTRY = text(
    """
    SELECT e.*, p.level FROM impact_entry AS e JOIN player AS p ON p.user_id = e.player_id
    WHERE e.assignment_id = :id
    """
)
_PLAYER = text(
    """
    INSERT INTO player AS p (user_id) VALUES (:id)
    ON CONFLICT (user_id) DO UPDATE SET xp = p.xp RETURNING p.*
    """
)
_DEEDS = text(
    """
    SELECT breakdown ->> 'at' AS at, breakdown ->> 'timeZone' AS zone
    FROM impact_entry WHERE player_id = :player
    """
)
# Whoever may be first waits for whoever may be it too; once there is one, nobody waits.
_FIRST_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_ANY_BEFORE = text(
    """
    SELECT EXISTS (SELECT FROM impact_entry WHERE quest_id = :quest) AS quest,
           EXISTS (SELECT FROM impact_entry WHERE region = :region) AS region
    """
)
_RECORD = text(
    """
    INSERT INTO impact_entry (id, assignment_id, player_id, quest_id, sponsor_id, category, region,
                              xp_awarded, token_minor, asset, transfer_id, impact_hundredths,
                              breakdown)
    VALUES (:id, :assignment, :player, :quest, :sponsor, :category, :region, :xp, :token, :asset,
            :transfer, :impact, CAST(:breakdown AS jsonb))
    """
)
_GROW = text(
    """
    UPDATE player SET xp = :xp, level = :level, completed = completed + 1,
           streak_days = :days, streak_best_days = :best, streak_last_date = :last,
           time_zone = :zone, last_completed_at = greatest(last_completed_at, :at)
    WHERE user_id = :player
    """
)
_DONE = text("UPDATE assignment SET status = 'REWARDED' WHERE id = :id")
_BADGES = text("SELECT slug, rule FROM badge WHERE retired_at IS NULL ORDER BY slug")
_TALLY = text(
    """
    SELECT (SELECT array_agg(badge_slug) FROM achievement WHERE player_id = :player) AS held,
           (SELECT json_object_agg(category, n) FROM (
               SELECT category, count(*) AS n FROM impact_entry WHERE player_id = :player
               GROUP BY category) AS c) AS categories,
           (SELECT json_object_agg(region, n) FROM (
               SELECT region, count(*) AS n FROM impact_entry
               WHERE player_id = :player AND region IS NOT NULL GROUP BY region) AS r) AS regions
    """
)
_ACHIEVE = text(
    """
    INSERT INTO achievement (id, player_id, badge_slug, impact_entry_id)
    SELECT id, :player, slug, :entry
    FROM unnest(CAST(:ids AS uuid[]), CAST(:slugs AS text[])) AS a(id, slug)
    ON CONFLICT (player_id, badge_slug) DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Rewarded:
    """What an assignment gave; `again`: it had been given before, and nothing happened now."""

    entry_id: UUID
    player_id: UUID
    xp: int
    token_minor: int
    asset: str
    level: int
    badges: tuple[str, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class RewardDelayed:
    """Nothing was given yet, by the code of why; the assignment stays VERIFIED, and trying again
    later gives the same, for nothing in a reward depends on when it is paid."""

    assignment_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class _Case:
    """One assignment, locked, and its player's standing, locked."""

    row: Any
    player: Any
    terms: Terms
    streak: Streak
    standing: Streak
    worth: Breakdown


async def reward(tx: Transaction, *, assignment_id: UUID) -> Rewarded | RewardDelayed:
    """Give what a VERIFIED assignment is worth and make it REWARDED; of one that is REWARDED, what
    it gave. The assignment's id is the key: however often this is called, it is given once.

    All or nothing: where the tokens cannot be paid (the sponsor's budget is too small or frozen,
    the supply cap is reached), neither XP nor tokens are given and nothing is raised; see
    `RewardDelayed`. Takes the locks of the assignment, the player and then the ledger. Raises
    `NotFound`, `WrongAssignmentStatus`.
    """
    row = (await tx.execute(_LOCK, {"id": assignment_id})).one_or_none()
    if row is None:
        raise NotFound("assignment")
    if row.status == "REWARDED":
        return await _given(tx, assignment_id)
    if row.status != "VERIFIED":
        raise WrongAssignmentStatus(row.status)
    case = await _case(tx, row)
    firsts = await _firsts(tx, case)
    paid = await _pay(tx, case)
    if isinstance(paid, RewardDelayed):
        return paid
    entry_id = await _record(tx, case, paid)
    badges = await _award(tx, case, entry_id, firsts)
    level = level_of(case.player.xp + case.worth.xp)
    await _tell(tx, case, entry_id, level, badges)
    return Rewarded(
        entry_id=entry_id,
        player_id=row.player_id,
        xp=case.worth.xp,
        token_minor=case.worth.token_minor,
        asset=case.terms.asset,
        level=level,
        badges=tuple(badges),
    )


async def _given(tx: Transaction, assignment_id: UUID) -> Rewarded:
    entry = (await tx.execute(_ENTRY, {"id": assignment_id})).one()
    return Rewarded(
        entry_id=entry.id,
        player_id=entry.player_id,
        xp=entry.xp_awarded,
        token_minor=entry.token_minor,
        asset=entry.asset,
        level=entry.level,
        again=True,
    )


async def _case(tx: Transaction, row: Any) -> _Case:
    player = (await tx.execute(_PLAYER, {"id": row.player_id})).one()
    terms = terms_of(row.terms)
    streak, standing = await _streaks(tx, row, player)
    deed = Deed(
        difficulty=terms.difficulty,
        authenticity=row.authenticity or 0,
        streak_days=streak.days,
        need_hundredths=terms.need_hundredths,
        team_members=0 if row.team_id is None else row.team_size,
        at=row.submitted_at,
        opens_at=terms.opens_at,
        closes_at=terms.closes_at,
    )
    worth = break_down(
        deed, base_xp=terms.base_xp, reward_minor=terms.reward_minor, maps=maps_of(terms.maps)
    )
    return _Case(row, player, terms, streak, standing, worth)


async def _streaks(tx: Transaction, row: Any, player: Any) -> tuple[Streak, Streak]:
    """The streak up to this deed, and the one that stands after it. They differ where a deed is
    decided on after a later one: it still counts on its own day."""
    deed = (row.submitted_at, row.time_zone)
    if player.last_completed_at is None or player.last_completed_at <= row.submitted_at:
        before = Streak(
            days=player.streak_days,
            last=player.streak_last_date,
            zone=player.time_zone,
            longest=player.streak_best_days,
        )
        after = advance(before, at=deed[0], zone=deed[1])
        return after, after
    rows = await tx.execute(_DEEDS, {"player": row.player_id})
    others = [(datetime.fromisoformat(other.at), other.zone) for other in rows]
    deeds = sorted([*others, deed])
    return fold_deeds(each for each in deeds if each <= deed), fold_deeds(deeds)


async def _firsts(tx: Transaction, case: _Case) -> Mapping[str, bool]:
    """Whether nobody was rewarded for this quest, or in its region, before."""
    asked = {"quest": case.row.quest_id, "region": case.terms.region}
    before = (await tx.execute(_ANY_BEFORE, asked)).one()
    region = case.terms.region is not None and not before.region
    if before.quest and not region:
        return {"quest": False, "region": False}
    names = [f"first:quest:{case.row.quest_id.hex}"] if not before.quest else []
    for name in [*names, *([f"first:region:{case.terms.region}"] if region else [])]:
        await tx.execute(_FIRST_LOCK, {"name": name})
    before = (await tx.execute(_ANY_BEFORE, asked)).one()
    return {"quest": not before.quest, "region": region and not before.region}


async def _pay(tx: Transaction, case: _Case) -> UUID | RewardDelayed | None:
    """The transfer that pays the tokens; None where there are none to pay."""
    terms, amount, player_id = case.terms, case.worth.token_minor, case.row.player_id
    if amount == 0:
        return None
    book = await open_book(tx, accounts_of(player_id, terms.sponsor_id, terms.asset))
    steps = payment(
        book,
        player_id=player_id,
        sponsor_id=terms.sponsor_id,
        asset=terms.asset,
        amount_minor=amount,
        reference=encode_id("asg", case.row.id),
    )
    refusal = refusal_of(book, steps)
    reason = None if refusal is None else refusal.code
    if terms.sponsor_id is not None and not sponsor_may_pay(book, terms.sponsor_id, terms.asset):
        reason = AccountFrozen.code
    if reason is not None:
        await _tell_sponsor(tx, case)
        return RewardDelayed(case.row.id, reason)
    enter_all(book, steps)
    return (await write_book(tx, book))[-1].id


async def _record(tx: Transaction, case: _Case, transfer_id: UUID | None) -> UUID:
    entry_id, row, terms, worth = new_id(), case.row, case.terms, case.worth
    kept = {
        **worth.as_json(),
        "at": row.submitted_at.isoformat(),
        "timeZone": row.time_zone,
        "streakDays": case.streak.days,
        "teamMembers": 0 if row.team_id is None else row.team_size,
        "authenticity": row.authenticity,
    }
    await tx.execute(
        _RECORD,
        {
            "id": entry_id,
            "assignment": row.id,
            "player": row.player_id,
            "quest": row.quest_id,
            "sponsor": terms.sponsor_id,
            "category": terms.category,
            "region": terms.region,
            "xp": worth.xp,
            "token": worth.token_minor,
            "asset": terms.asset,
            "transfer": transfer_id,
            "impact": worth.impact_hundredths,
            "breakdown": to_json(kept),
        },
    )
    standing, xp = case.standing, case.player.xp + worth.xp
    await tx.execute(
        _GROW,
        {
            "player": row.player_id,
            "xp": xp,
            "level": level_of(xp),
            "days": standing.days,
            "best": max(standing.longest, case.player.streak_best_days),
            "last": standing.last,
            "zone": standing.zone,
            "at": row.submitted_at,
        },
    )
    await tx.execute(_DONE, {"id": row.id})
    return entry_id


async def _award(
    tx: Transaction, case: _Case, entry_id: UUID, firsts: Mapping[str, bool]
) -> dict[str, UUID]:
    """The badges that this deed earned, by slug, with the achievement of each."""
    player_id = case.row.player_id
    found = (await tx.execute(_TALLY, {"player": player_id})).one()
    tally = Tally(
        deeds=case.player.completed + 1,
        streak_days=case.streak.days,
        categories=found.categories or {},
        regions=found.regions or {},
        first_of_quest=firsts["quest"],
        first_of_region=firsts["region"],
    )
    rules = [(badge.slug, badge.rule) for badge in await tx.execute(_BADGES)]
    earned = {slug: new_id() for slug in newly_earned(rules, tally, found.held or ())}
    if earned:
        asked = {"player": player_id, "entry": entry_id}
        asked |= {"ids": list(earned.values()), "slugs": list(earned)}
        await tx.execute(_ACHIEVE, asked)
    return earned


async def _tell(
    tx: Transaction, case: _Case, entry_id: UUID, level: int, badges: Mapping[str, UUID]
) -> None:
    row, worth = case.row, case.worth
    tx.collect(NewEvent(f"quest:{row.quest_id.hex}", REWARDED, _said(case, entry_id, level)))
    tx.collect(NewEvent(user_topic(row.player_id), REWARDED, _said(case, entry_id, level)))
    player = [row.player_id]
    amount = {"amount": str(worth.token_minor), "asset": case.terms.asset}
    await notify(
        tx,
        kind="REWARD",
        user_ids=player,
        dedupe_key=f"reward:{row.id.hex}",
        reference=encode_id("qst", row.quest_id),
        facts={"xp": worth.xp, **(amount if worth.token_minor else {})},
    )
    if level > case.player.level:
        key, facts = f"quest-level:{level}", {"level": level}
        await notify(tx, kind="LEVEL_UP", user_ids=player, dedupe_key=key, facts=facts)
    for slug, achievement_id in badges.items():
        key, reference = f"badge:{slug}", encode_id(ACHIEVEMENT_PREFIX, achievement_id)
        await notify(tx, kind="BADGE", user_ids=player, dedupe_key=key, reference=reference)


async def _tell_sponsor(tx: Transaction, case: _Case) -> None:
    """That a reward waits for their budget; once for each assignment."""
    if case.terms.sponsor_id is not None:
        await notify(
            tx,
            kind="PAYMENT",
            user_ids=[case.terms.sponsor_id],
            dedupe_key=f"reward-delayed:{case.row.id.hex}",
            reference=encode_id("qst", case.row.quest_id),
            facts={"amount": str(case.worth.token_minor), "asset": case.terms.asset},
        )


def _said(case: _Case, entry_id: UUID, level: int) -> Mapping[str, object]:
    return {
        "entry": entry_id.hex,
        "assignment": case.row.id.hex,
        "quest": case.row.quest_id.hex,
        "player": case.row.player_id.hex,
        "xp": case.worth.xp,
        "tokens": str(case.worth.token_minor),
        "asset": case.terms.asset,
        "level": level,
    }
