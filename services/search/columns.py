"""The index's narrow columns in memory, for filters, counts and order: what a search has to know of
every match, and not of a page alone. Arrays by document number; no SQL (see keeping.py)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from models.search import SEARCH_KINDS

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

UNKNOWN = -(2**31) + 1
"""In place of a number that a document does not have."""
NEVER = -(2**63) + 1
"""In place of a moment or a price that a document does not have."""
NOBODY = UUID(int=0)
ABSENT = -1
KIND_CODES = {kind: code for code, kind in enumerate(SEARCH_KINDS)}
_SPARE = 1.5
_NARROW = ("year", "runtime", "maturity")
_WIDE = ("price", "starts", "ends", "published", "owner_high", "owner_low")


@dataclass(frozen=True, slots=True)
class Rows:
    """Documents as they were read, one array a column. Moments are in microseconds since 1970;
    `values` are the facets' numbers of all of them, one after the other, `sizes` how many each has.
    """

    documents: Ints
    kinds: Ints
    year: Ints
    runtime: Ints
    maturity: Ints
    asset: Ints
    popularity: Floats
    price: Longs
    starts: Longs
    ends: Longs
    published: Longs
    owner_high: Longs
    owner_low: Longs
    sizes: Ints
    values: Ints


@dataclass(slots=True)
class Columns:
    """All documents that everyone may find. `kind` is `ABSENT` where a number has no document.

    Facet values lie in one buffer, each document's from `starts_at` on; what is written anew goes
    to its end, and the buffer is packed when half of it is waste.
    """

    kind: Ints = field(default_factory=lambda: np.full(0, ABSENT, np.int32))
    narrow: dict[str, Ints] = field(default_factory=dict)
    wide: dict[str, Longs] = field(default_factory=dict)
    asset: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    popularity: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    begins: Longs = field(default_factory=lambda: np.zeros(0, np.int64))
    sizes: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    values: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    used: int = 0
    top_popularity: float = 0.0
    _whole: tuple[Ints, Ints, Ints] | None = None

    def __post_init__(self) -> None:
        self.narrow = self.narrow or {name: np.zeros(0, np.int32) for name in _NARROW}
        self.wide = self.wide or {name: np.zeros(0, np.int64) for name in _WIDE}

    def put(self, rows: Rows) -> None:
        """Write documents, those that were there before as well."""
        if not len(rows.documents):
            return
        self._whole = None
        self._make_room(int(rows.documents.max()) + 1)
        at = rows.documents
        self.kind[at] = rows.kinds
        for name in _NARROW:
            self.narrow[name][at] = getattr(rows, name)
        for name in _WIDE:
            self.wide[name][at] = getattr(rows, name)
        self.asset[at] = rows.asset
        self.popularity[at] = rows.popularity
        self.top_popularity = max(self.top_popularity, float(rows.popularity.max()))
        self._put_values(rows)

    def take_out(self, documents: Sequence[int]) -> None:
        """Forget documents; numbers that have none are passed over."""
        self._whole = None
        at = np.asarray(documents, np.int64)
        at = at[at < len(self.kind)]
        self.kind[at] = ABSENT
        self.sizes[at] = 0

    def all(self) -> Ints:
        """Every document. The same array, and `values_of` it, until something is written: who
        looks without words looks at everything."""
        if self._whole is None:
            documents = np.flatnonzero(self.kind != ABSENT).astype(np.int32)
            self._whole = (documents, *self._gather(documents))
        return self._whole[0]

    def known(self, documents: Ints) -> Flags:
        """Which of these numbers have a document."""
        found = np.zeros(len(documents), np.bool_)
        inside = documents < len(self.kind)
        found[inside] = self.kind[documents[inside]] != ABSENT
        return found

    def owned_by(self, documents: Ints, owners: Sequence[UUID]) -> Flags:
        """Which documents are somebody's of these."""
        if not owners:
            return np.zeros(len(documents), np.bool_)
        high, low = halves(owners)
        of_high = np.isin(self.wide["owner_high"][documents], high)
        return of_high & np.isin(self.wide["owner_low"][documents], low)

    def values_of(self, documents: Ints) -> tuple[Ints, Ints]:
        """The facets' numbers of documents, and for each the place in `documents` that has it."""
        if self._whole is not None and documents is self._whole[0]:
            return self._whole[1:]
        return self._gather(documents)

    def _gather(self, documents: Ints) -> tuple[Ints, Ints]:
        sizes = self.sizes[documents]
        total = int(sizes.sum())
        places = np.repeat(np.arange(len(documents), dtype=np.int32), sizes)
        before = np.cumsum(sizes, dtype=np.int64) - sizes
        inside = np.arange(total, dtype=np.int64) + np.repeat(
            self.begins[documents] - before, sizes
        )
        return self.values[inside], places

    def _make_room(self, size: int) -> None:
        have = len(self.kind)
        if size <= have:
            return
        more = int(size * _SPARE) + 64 - have
        self.kind = np.concatenate([self.kind, np.full(more, ABSENT, np.int32)])
        for columns in (self.narrow, self.wide):
            for name, column in columns.items():
                columns[name] = _longer(column, more)
        self.asset, self.popularity = _longer(self.asset, more), _longer(self.popularity, more)
        self.begins, self.sizes = _longer(self.begins, more), _longer(self.sizes, more)

    def _put_values(self, rows: Rows) -> None:
        added = len(rows.values)
        self.sizes[rows.documents] = 0
        if self.used + added > len(self.values):
            self._pack(added)
        self.values[self.used : self.used + added] = rows.values
        ends = np.cumsum(rows.sizes, dtype=np.int64)
        self.begins[rows.documents] = self.used + ends - rows.sizes
        self.sizes[rows.documents] = rows.sizes
        self.used += added

    def _pack(self, added: int) -> None:
        """Leave out what nobody refers to, and make room for `added` numbers and as many again."""
        documents = np.arange(len(self.sizes), dtype=np.int32)
        kept, _ = self.values_of(documents)
        room = int((len(kept) + added) * 2) + 64
        self.values = np.concatenate([kept, np.zeros(room - len(kept), np.int32)])
        self.begins = np.cumsum(self.sizes, dtype=np.int64) - self.sizes
        self.used = len(kept)


def asset_code(asset: str) -> int:
    """An asset's name as a number, made as keeping.py's SQL makes it."""
    digest = hashlib.md5(asset.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big", signed=True)


def halves(ids: Sequence[UUID]) -> tuple[Longs, Longs]:
    """Ids as two int64 each, as the columns keep them."""
    packed = np.frombuffer(b"".join(id.bytes for id in ids), dtype=">i8").reshape(-1, 2)
    return packed[:, 0].astype(np.int64), packed[:, 1].astype(np.int64)


def _longer(column: Any, more: int) -> Any:
    return np.concatenate([column, np.zeros(more, column.dtype)])
