"""What an Accept header lets an operation be answered as: one place for every transport over HTTP.
Nothing here reads a request or writes an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

JSON: Final = b"application/json"
RESPONSE: Final = b"application/graphql-response+json"
MAX_ACCEPT_BYTES: Final = 2_000
"""Of a header that is looked at; browsers send about 150."""

Plain = Literal[b"application/json", b"application/graphql-response+json"]
Stream = Literal["events", "subscription", "deferred", "incremental", "parts"]
"""text/event-stream; multipart/mixed by Apollo's subscription protocol (`subscriptionSpec`), for
incremental delivery in its older format (`deferSpec`) or its newer (`incrementalSpec`), and without
a parameter."""
_SPECIFICATIONS: Final[dict[bytes, Stream]] = {
    b"subscriptionspec": "subscription",
    b"deferspec": "deferred",
    b"incrementalspec": "incremental",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the client takes. `plain` is how one answer is sent, None where only streams are taken;
    `streams` are the kinds of stream it takes, the liked ones first."""

    plain: Plain | None
    streams: tuple[Stream, ...] = ()

    @property
    def stream(self) -> Stream | None:
        """The stream it likes best, None if it takes none."""
        return self.streams[0] if self.streams else None


DEFAULT: Final = Accepted(JSON)
"""Of who sends no Accept header: the specification lets clients from before 2025 have JSON."""


@dataclass(frozen=True, slots=True)
class _Range:
    """One media range of the header; `place` counts from its beginning."""

    name: bytes
    parameters: dict[bytes, bytes]
    weight: float
    place: int


def negotiate(accept: bytes | None) -> Accepted | None:
    """What may be answered to this Accept header; None: nothing that we have (406).

    The greatest `q` wins, then what is named over what a wildcard covers, then what is named first.
    A wildcard means application/json, and never a stream.
    """
    if accept is None or accept == b"*/*" or accept == JSON:
        return DEFAULT
    if len(accept) > MAX_ACCEPT_BYTES:
        return None
    return _negotiated(accept)


@lru_cache(maxsize=256)
def _negotiated(accept: bytes) -> Accepted | None:
    ranges = list(_ranges(accept))
    plain = _plain(ranges)
    streams = _streams(ranges)
    if plain is None and not streams:
        return None
    return Accepted(plain, streams)


def _plain(ranges: list[_Range]) -> Plain | None:
    """The better of the two; each has the weight of the most specific range that covers it."""
    found: list[tuple[float, int, int, Plain]] = []
    kinds: tuple[Plain, ...] = (b"application/json", b"application/graphql-response+json")
    for kind in kinds:
        covering = [(_covers(r, kind), -r.place, r) for r in ranges if _covers(r, kind)]
        if covering:
            specific, _, best = max(covering, key=lambda c: c[:2])
            if best.weight > 0:
                found.append((best.weight, specific, -best.place, kind))
    # Of both under one wildcard, which stand at the same place, the first of `kinds`.
    return max(found, key=lambda f: f[:3])[3] if found else None


def _covers(found: _Range, kind: bytes) -> int:
    """How specific a range is about a kind; 0: it is about others."""
    if found.parameters.get(b"charset", b"utf-8") not in (b"utf-8", b"utf8"):
        return 0
    if found.name == kind:
        return 3
    if found.name == b"application/*":
        return 2
    return 1 if found.name == b"*/*" else 0


def _streams(ranges: list[_Range]) -> tuple[Stream, ...]:
    liked = sorted((r for r in ranges if r.weight > 0), key=lambda r: (-r.weight, r.place))
    kinds = [kind for r in liked if (kind := _stream(r)) is not None]
    return tuple(dict.fromkeys(kinds))


def _stream(found: _Range) -> Stream | None:
    if found.name == b"text/event-stream":
        return "events"
    if found.name == b"multipart/mixed":
        named = (_SPECIFICATIONS[name] for name in found.parameters if name in _SPECIFICATIONS)
        return next(named, "parts")
    return None


def _ranges(accept: bytes) -> Iterator[_Range]:
    for place, part in enumerate(accept.lower().split(b",")):
        name, *rest = (piece.strip() for piece in part.split(b";"))
        parameters = dict(_parameter(piece) for piece in rest if piece)
        yield _Range(name, parameters, _weight(parameters.pop(b"q", b"1")), place)


def _parameter(text: bytes) -> tuple[bytes, bytes]:
    name, _, value = text.partition(b"=")
    return name.strip(), value.strip().strip(b'"')


def _weight(text: bytes) -> float:
    """From 0 to 1; of what is no number, 1: a client that names a type takes it."""
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return min(1.0, max(0.0, weight)) if weight == weight else 1.0
