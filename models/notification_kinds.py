"""What people can be told of, by which channels, and what each is told by unless they say
otherwise. Data; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

NotificationKind = Literal[
    "OUTBID",
    "AUCTION_WON",
    "AUCTION_SOLD",
    "AUCTION_UNSOLD",
    "AUCTION_ENDING_SOON",
    "ORDER",
    "LOW_STOCK",
    "AVAILABILITY",
    "NEW_TITLE",
    "COMMENT",
    "REPLY",
    "MENTION",
    "REACTION",
    "FOLLOW",
    "QUEST_REMINDER",
    "REVIEW_REQUESTED",
    "EVIDENCE_REVIEWED",
    "REWARD",
    "LEVEL_UP",
    "BADGE",
    "PAYMENT",
    "MODERATION",
    "SECURITY",
    "ANNOUNCEMENT",
    "WELCOME",
]
Channel = Literal["IN_APP", "EMAIL", "PUSH"]

KINDS: tuple[NotificationKind, ...] = get_args(NotificationKind)
CHANNELS: tuple[Channel, ...] = get_args(Channel)


def _row(channels: str) -> frozenset[str]:
    return frozenset(channels.split())


DEFAULTS: Mapping[NotificationKind, frozenset[str]] = MappingProxyType(
    {
        "OUTBID": _row("IN_APP PUSH"),
        "AUCTION_WON": _row("IN_APP EMAIL PUSH"),
        "AUCTION_SOLD": _row("IN_APP EMAIL PUSH"),
        "AUCTION_UNSOLD": _row("IN_APP EMAIL"),
        "AUCTION_ENDING_SOON": _row("IN_APP PUSH"),
        "ORDER": _row("IN_APP EMAIL PUSH"),
        "LOW_STOCK": _row("IN_APP EMAIL"),
        "AVAILABILITY": _row("IN_APP PUSH"),
        "NEW_TITLE": _row("IN_APP"),
        "COMMENT": _row("IN_APP PUSH"),
        "REPLY": _row("IN_APP PUSH"),
        "MENTION": _row("IN_APP PUSH"),
        "REACTION": _row("IN_APP"),
        "FOLLOW": _row("IN_APP"),
        "QUEST_REMINDER": _row("IN_APP PUSH"),
        "REVIEW_REQUESTED": _row("IN_APP PUSH"),
        "EVIDENCE_REVIEWED": _row("IN_APP EMAIL"),
        "REWARD": _row("IN_APP"),
        "LEVEL_UP": _row("IN_APP"),
        "BADGE": _row("IN_APP"),
        "PAYMENT": _row("IN_APP EMAIL"),
        "MODERATION": _row("IN_APP EMAIL"),
        "SECURITY": _row("IN_APP EMAIL"),
        "ANNOUNCEMENT": _row("IN_APP"),
        "WELCOME": _row("IN_APP EMAIL"),
    }
)
"""The channels of each kind, for who has not chosen."""

ALWAYS: frozenset[tuple[str, str]] = frozenset({("SECURITY", "EMAIL"), ("MODERATION", "IN_APP")})
"""What nobody can turn off: a thief in the account would do it first."""
