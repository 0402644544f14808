"""How many sockets a process has, from where and whose; and how many it takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from core.settings import Settings


@dataclass(slots=True)
class SocketCounts:
    """Sockets of one process. What `enter` and `sign_in` let through is given back once, by
    `leave` and `sign_out`. Both tell why not, if not."""

    maximum: int
    per_address: int
    per_viewer: int
    open: int = 0
    _addresses: Counter[str] = field(default_factory=Counter)
    _viewers: Counter[UUID] = field(default_factory=Counter)

    def enter(self, address: str | None) -> str | None:
        """One more from this address. Loopback's are counted as the process's alone: there stands
        a proxy whose word for the address is not taken."""
        if self.open >= self.maximum:
            return "Too many sockets"
        origin = _origin(address)
        if origin is not None:
            if self._addresses[origin] >= self.per_address:
                return "Too many sockets of this address"
            self._addresses[origin] += 1
        self.open += 1
        return None

    def leave(self, address: str | None) -> None:
        """One that `enter` let through is gone."""
        self.open -= 1
        if (origin := _origin(address)) is not None:
            _one_less(self._addresses, origin)

    def sign_in(self, viewer_id: UUID) -> str | None:
        """One more of this viewer."""
        if self._viewers[viewer_id] >= self.per_viewer:
            return "Too many sockets of this viewer"
        self._viewers[viewer_id] += 1
        return None

    def sign_out(self, viewer_id: UUID) -> None:
        """One that `sign_in` let through is the viewer's no more."""
        _one_less(self._viewers, viewer_id)


def counts_of(settings: Settings) -> SocketCounts:
    """For a process of these settings."""
    return SocketCounts(
        settings.max_sockets, settings.max_sockets_per_address, settings.max_sockets_per_viewer
    )


def _one_less(counter: Counter[str] | Counter[UUID], name: str | UUID) -> None:
    known: Counter[str | UUID] = counter  # type: ignore[assignment]
    known[name] -= 1
    if not known[name]:
        del known[name]


def _origin(address: str | None) -> str | None:
    """Whose sockets are counted together: an address's, or a /64 network's, which is one home's."""
    if address is None:
        return None
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return None
    return str(found) if found.version == 4 else found.exploded[:19]
