"""What each kind of viewer may spend on operations: the settings' requests a minute in points, one
operation's most, and the buckets that both are held against."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from core.errors import CostExceeded, RateLimited
from core.settings import Settings
from services.budgets import Budgets, Lease, Terms
from services.users.access import Viewer

Kind = Literal["anonymous", "user", "premium"]
PREMIUM = "PREMIUM"
GENEROUS = 10_000
"""How many times as much there is where a developer works: all is counted, and nobody stopped."""
UNKNOWN = "unknown"
NO_LIMIT = 2**53


@dataclass(frozen=True, slots=True)
class Allowance:
    """One kind of viewer's: the bucket, and what one operation may cost at most."""

    terms: Terms
    max_cost: int


@dataclass(frozen=True, slots=True)
class Spending:
    """What a server lets be spent. `factor` is 0 where nothing is limited."""

    budgets: Budgets
    allowances: Mapping[Kind, Allowance]
    factor: int

    def allowance(self, viewer: Viewer | None) -> Allowance:
        """The viewer's."""
        if viewer is None:
            return self.allowances["anonymous"]
        return self.allowances["premium" if viewer.tier == PREMIUM else "user"]

    def check(self, viewer: Viewer | None, requested: int) -> None:
        """Raises `CostExceeded` for an operation that may cost more than the viewer's may."""
        maximum = self.allowance(viewer).max_cost
        if requested > maximum:
            raise CostExceeded(requested=requested, maximum=maximum)

    def held(self, viewer: Viewer | None, address: str | None, points: float) -> Lease | None:
        """Spend of what is held in this process; None if that is too little, or nothing is
        limited."""
        key = _key(viewer, address)
        return self.budgets.held(self.allowance(viewer).terms, key, points)

    async def take(self, viewer: Viewer | None, address: str | None, points: float) -> Lease | None:
        """Spend points of a viewer, or of an address; None where nothing is limited. What turns out
        not to be needed is returned to the lease. Raises `RateLimited`."""
        if not self.factor:
            return None
        terms = self.allowance(viewer).terms
        return await self.budgets.take(terms, _key(viewer, address), points)

    async def take_turn(
        self, place: str, limit: int, duration_s: int, viewer: Viewer | None, address: str | None
    ) -> None:
        """Use one of `limit` turns at a place, restored evenly over the duration. Raises
        `RateLimited`."""
        if not self.factor:
            return
        allowed = limit * self.factor
        terms = Terms(place, allowed, allowed / duration_s)
        try:
            await self.budgets.take(terms, _key(viewer, address), 1)
        except RateLimited as error:
            error.message = f"{place}: {limit} in {duration_s} seconds at most; wait a while"
            raise


def make_spending(settings: Settings, redis_url: str) -> Spending:
    """As the settings say. A request of the documents is worth `rate_points` points."""
    factor = {"on": 1, "generous": GENEROUS, "off": 0}[_mode(settings)]
    rates: dict[Kind, int] = {
        "anonymous": settings.rate_anonymous,
        "user": settings.rate_user,
        "premium": settings.rate_premium,
    }
    maxima: dict[Kind, int] = {
        "anonymous": settings.max_cost_anonymous,
        "user": settings.max_cost,
        "premium": settings.max_cost,
    }
    return Spending(
        Budgets(redis_url, prefix=settings.bus_prefix),
        {kind: _allowance(settings, kind, rates[kind], maxima[kind], factor) for kind in rates},
        factor,
    )


def _mode(settings: Settings) -> Literal["on", "generous", "off"]:
    if settings.rate_limits != "auto":
        return settings.rate_limits
    modes: dict[str, Literal["on", "generous", "off"]] = {
        "prod": "on",
        "dev": "generous",
        "test": "off",
    }
    return modes[settings.profile]


def _allowance(settings: Settings, kind: Kind, rate: int, max_cost: int, factor: int) -> Allowance:
    points = settings.rate_points * max(1, factor)
    # A burst is of so many requests; who has fewer a minute has a minute's at once.
    maximum = min(settings.rate_burst, rate) * points
    terms = Terms(kind, maximum, rate * points / 60, settings.rate_daily * points)
    if not factor:
        return Allowance(terms, NO_LIMIT if settings.profile == "test" else max_cost)
    # What is more than the bucket could never be run.
    return Allowance(terms, min(max_cost, maximum))


def _key(viewer: Viewer | None, address: str | None) -> str:
    return viewer.user_id.hex if viewer is not None else network_of(address or UNKNOWN)


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """The address, or the /64 network of an IPv6 one: a household or a phone has all of those."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False).network_address)
