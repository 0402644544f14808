"""What mails and pushes say, made of ids' names at the moment they are sent. No I/O.

English alone; the apps say it in their own words from kind, actor, subject and facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.money import to_decimal
from models.notification_kinds import NotificationKind

SOMEONE = "Someone"
SOMETHING = "something you follow"


@dataclass(frozen=True, slots=True)
class Words:
    """A message: one line, and a sentence or two."""

    subject: str
    text: str


_TEXTS: Mapping[NotificationKind, tuple[str, str]] = MappingProxyType(
    {
        "OUTBID": ("You were outbid on {thing}", "{thing} stands at {amount} now."),
        "AUCTION_WON": ("You won {thing}", "{thing} is yours for {amount}."),
        "AUCTION_SOLD": ("{thing} is sold", "{thing} was sold for {amount}."),
        "AUCTION_UNSOLD": ("{thing} was not sold", "{thing} ended without a sale."),
        "AUCTION_ENDING_SOON": ("{thing} ends soon", "A lot that you watch, {thing}, ends soon."),
        "ORDER": ("News of your order", "There is news of your order of {thing}."),
        "LOW_STOCK": ("{thing} is running out", "There is little left of {thing}."),
        "AVAILABILITY": ("News of {thing}", "Where you can watch {thing} has changed."),
        "NEW_TITLE": ("New: {thing}", "{thing} has just come in."),
        "COMMENT": ("{actor} commented", "{actor} wrote a comment on {thing}."),
        "REPLY": ("{actor} replied", "{actor} replied to you."),
        "MENTION": ("{actor} mentioned you", "{actor} mentioned you in {thing}."),
        "REACTION": ("{actor} reacted", "{actor} reacted to {thing}."),
        "FOLLOW": ("{actor} follows you", "{actor} follows you from now on."),
        "QUEST_REMINDER": ("A quest awaits you", "{thing} is still to be done."),
        "REVIEW_REQUESTED": (
            "You are asked as a witness",
            "Somebody says that they did a good deed. Have a look, and say what you think.",
        ),
        "EVIDENCE_REVIEWED": ("Your evidence was reviewed", "There is a decision on {thing}."),
        "REWARD": ("You have a reward", "You were given {amount} for {thing}."),
        "LEVEL_UP": ("You rose a level", "Your reputation has reached the next level."),
        "BADGE": ("You have a new badge", "You earned a badge: {thing}."),
        "PAYMENT": ("News of your payment", "There is news of a payment of {amount}."),
        "MODERATION": ("A moderator's decision", "A moderator has decided about {thing}."),
        "SECURITY": (
            "Something changed in your account",
            "If that was not you, change your password and end your other sessions.",
        ),
        "ANNOUNCEMENT": ("News from Mela", "There is news: {thing}."),
        "WELCOME": ("Welcome to Mela", "Your account is ready, {name}."),
    }
)


def words_of(
    kind: NotificationKind,
    facts: Mapping[str, Any],
    *,
    name: str,
    actor: str | None,
    thing: str | None,
) -> Words:
    """A message to `name` about `thing`, which `actor` caused; None where that is not known any
    more."""
    said = {
        "name": name,
        "actor": actor or SOMEONE,
        "thing": thing or SOMETHING,
        "amount": _amount(facts),
    }
    subject, sentence = (part.format_map(said) for part in _TEXTS[kind])
    return Words(_capital(subject), _capital(sentence))


def _amount(facts: Mapping[str, Any]) -> str:
    if facts.get("amount") is None or facts.get("asset") is None:
        return "another amount"
    return f"{to_decimal(int(facts['amount']), facts['asset'])} {facts['asset']}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
