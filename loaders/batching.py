"""The loaders of one operation: collects the keys that are asked for together, reads them in one
statement, and remembers the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

from core.database import Database
from core.reads import Lead, Reads
from loaders.beside import ALONE, Beside, Found, Reference, Shown, reference_of
from loaders.declaring import Computed, CountBy, Loader, OneBy, PageBy, depends_on_viewer
from loaders.pages import Order
from loaders.rows import Columns, columns_behind
from loaders.running import run

MAX_BATCH = 1_000
"""Keys in one statement; a larger batch becomes several."""


CURSORS = frozenset({"cursor", "start_cursor", "end_cursor"})
"""Attributes of pages and edges that tell a row's place."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """In place of an answer: why there is none."""

    error: Exception


@dataclass(slots=True)
class Loaders:
    """The loaders of one operation (or of one subscription event): batches and remembers.

    `common` are loaders that several subscribers of one event share: what does not depend on who
    asks is read once for all of them. `needs` says for GraphQL types which attributes of a row the
    operation reads, where that is known: rows that nothing but its fields look at are then read
    with no more columns. `leads` say where fields of such a type lead by a key: those rows are read
    beside them where that is sooner.
    """

    db: Database
    viewer_id: UUID | None = None
    common: Loaders | None = None
    needs: Mapping[str, Reads] = field(default_factory=dict)
    leads: Mapping[str, Sequence[Lead]] = field(default_factory=dict)
    _readings: dict[tuple[Loader, Columns], Reading] = field(default_factory=dict)

    def load(self, loader: Loader, key: Any) -> Awaitable[Any]:
        """The answer for one key, rows whole; keys asked in one tick share a statement."""
        return self._whole(loader).ask(key)

    def ask(self, loader: Loader, key: Any) -> Any:
        """The answer itself where it is known already, else what `load` returns: to await it
        would cost a field that many subscribers share a task for each of them."""
        reading = self._whole(loader)
        answer = reading.known.get(key, reading)
        if answer is reading or type(answer) is Refusal:
            return reading.ask(key)
        return answer

    async def show(self, loader: Loader, key: Any, type_name: str | None) -> Any:
        """The answer for one key, to be shown as a GraphQL type and not to be looked at: its rows
        have what this operation's fields of that type read."""
        [answer] = await self.show_all(loader, [key], type_name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def show_all(
        self, loader: Loader, keys: Sequence[Any], type_name: str | None
    ) -> list[Any]:
        """As `show`, for keys in their order; an exception in place of an answer that failed."""
        return await self._shown(loader, type_name).ask_all(keys)

    def known(self, loader: Loader, keys: Sequence[Any], type_name: str | None) -> list[Any] | None:
        """As `show_all`, where every answer is known already; else None, and nothing is read."""
        return self._shown(loader, type_name).told(keys)

    def shown(self, row: Any, type_name: str | None, order: Order | None = None) -> Shown:
        """What is read of rows that are shown as this type, and beside them: in a list by this
        order also what cursors are made of, where any are shown."""
        always = () if order is None or not self._shows_cursors() else order.names
        return Shown(self._columns(row, type_name, *always), self._beside(row, type_name))

    def prime(self, loader: Loader, key: Any, row: Any) -> None:
        """Remember a whole row that was read on another way."""
        self._reading(loader, None).known.setdefault(key, row)

    def prime_shown(self, loader: OneBy, rows: Sequence[Any], type_name: str) -> None:
        """Remember rows of one class that were read on another way with what this operation shows
        of them, or more; others are not remembered."""
        reading = self._shown(loader, type_name)
        needed = reading.columns or loader.row._fields
        if rows and set(needed).issubset(rows[0]._fields):
            reading.offered.append(partial(_by_key, rows, loader.key.name))

    def let_go(self) -> None:
        """Forget everything, once nobody asks any more: what was read refers back to here."""
        self._readings.clear()

    def stop(self) -> None:
        """Stop reading: the operation has ended before its time, and nobody waits for answers."""
        for task, loaders in list(_reading.items()):
            if loaders is self:
                task.cancel()

    async def _counted(self, counter: CountBy, key: Any) -> int:
        return int(await self.load(counter, key))

    def _columns(self, row: Any, type_name: str | None, *always: str) -> Columns:
        needed = None if type_name is None else self.needs.get(type_name)
        return columns_behind(row, needed, *always)

    def _shows_cursors(self) -> bool:
        for reads in self.needs.values():
            if reads is None or not CURSORS.isdisjoint(reads):
                return True
        return not self.needs

    def _beside(self, row: Any, type_name: str | None) -> Beside:
        leads = () if type_name is None else self.leads.get(type_name, ())
        references = tuple(each for lead in leads if (each := self._reference(row, lead)))
        return Beside(references, self._offer) if references else ALONE

    def _reference(self, row: Any, lead: Lead) -> Reference | None:
        if not isinstance(lead.loader, OneBy):
            return None
        columns = self._columns(lead.loader.row, lead.shown_as, lead.loader.key.name)
        return reference_of(row, lead.key, lead.loader, columns)

    def _offer(self, reference: Reference, found: Found) -> None:
        self._reading(reference.loader, reference.columns).offered.append(found)

    def _shown(self, loader: Loader, type_name: str | None) -> Reading:
        if isinstance(loader, CountBy | Computed) or not self.needs:
            return self._whole(loader)
        if self.common is not None and not depends_on_viewer(loader):
            return self._whole(loader)
        always: tuple[str, ...] = ()
        if isinstance(loader, PageBy) and self._shows_cursors():
            always = loader.order.names
        elif isinstance(loader, OneBy):
            always = (loader.key.name,)
        reading = self._reading(loader, self._columns(loader.row, type_name, *always))
        if reading.beside is None:
            reading.beside = self._beside(loader.row, type_name)
        return reading

    def _whole(self, loader: Loader) -> Reading:
        if self.common is not None and not depends_on_viewer(loader):
            return self.common._whole(loader)
        return self._reading(loader, None)

    def _reading(self, loader: Loader, columns: Columns) -> Reading:
        made = self._readings.get((loader, columns))
        if made is None:
            made = self._readings[loader, columns] = Reading(self, loader, columns)
        return made


@dataclass(slots=True, eq=False)
class Batch:
    """Keys that will be read together, and who waits for that."""

    keys: dict[Any, None] = field(default_factory=dict)
    waiting: list[tuple[asyncio.Future[Any], Any]] = field(default_factory=list)


EVERY = object()
"""Waits for a whole batch, and not for one key."""


@dataclass(slots=True, eq=False)
class Reading:
    """What an operation reads through one loader, with one set of columns."""

    loaders: Loaders
    loader: Loader
    columns: Columns
    known: dict[Any, Any] = field(default_factory=dict)
    batch: Batch | None = None
    offered: list[Found] = field(default_factory=list)
    """Rows that were read on another way: few operations come to ask for one of them."""
    beside: Beside | None = None
    """What is read beside its rows; None until they are shown as a type."""
    refused: bool = False
    """Whether there is a refusal among what is known."""

    def ask(self, key: Any) -> Awaitable[Any]:
        """The answer for one key."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.offered:
            self._take_offered()
        if key in self.known:
            _tell(answer, self.known[key])
        else:
            batch = self._collecting()
            batch.keys[key] = None
            batch.waiting.append((answer, key))
        return answer

    async def ask_all(self, keys: Sequence[Any]) -> list[Any]:
        """The answers for these keys, exceptions in place of those that failed."""
        if self.offered:
            self._take_offered()
        known = self.known
        missing = [key for key in keys if key not in known] if known else keys
        if missing:
            read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            batch = self._collecting()
            batch.keys.update(dict.fromkeys(missing))
            batch.waiting.append((read, EVERY))
            await read
        answers = list(map(known.__getitem__, keys))
        if not self.refused:
            return answers
        return [a.error if type(a) is Refusal else a for a in answers]

    def told(self, keys: Sequence[Any]) -> list[Any] | None:
        """The answers for these keys, if all of them are known, and are answers."""
        if self.offered:
            self._take_offered()
        if self.refused or not self.known:
            return None
        try:
            return list(map(self.known.__getitem__, keys))
        except KeyError:
            return None

    def _take_offered(self) -> None:
        for found in self.offered:
            rows = found()
            # What is known already stays: it may have been shown.
            self.known.update({**rows, **self.known} if self.known else rows)
        self.offered.clear()

    def _collecting(self) -> Batch:
        """The batch that is still open; it is read when all who are about to ask have asked."""
        if self.batch is None:
            self.batch = Batch()
            loop = asyncio.get_running_loop()
            loop.call_soon(_begin, self, self.batch)
        return self.batch

    async def read(self, batch: Batch) -> None:
        """Close the batch, read it, tell who waits."""
        self.batch = None
        if self.offered:
            self._take_offered()
        known = self.known
        keys = [key for key in batch.keys if key not in known] if known else list(batch.keys)
        parts = [keys[n : n + MAX_BATCH] for n in range(0, len(keys), MAX_BATCH)]
        try:
            if len(parts) == 1:
                await self._read_part(parts[0])
            else:
                await asyncio.gather(*map(self._read_part, parts))
        except BaseException:
            for waiting, _ in batch.waiting:
                waiting.cancel()
            raise
        for waiting, key in batch.waiting:
            if not waiting.done():
                _tell(waiting, None if key is EVERY else self.known[key])

    async def _read_part(self, keys: Sequence[Any]) -> None:
        loaders = self.loaders
        try:
            answers = await run(
                loaders.db,
                self.loader,
                loaders.viewer_id,
                keys,
                Shown(self.columns, self.beside or ALONE),
                loaders._counted,
            )
            if any(issubclass(kind, Exception) for kind in set(map(type, answers))):
                answers, self.refused = list(map(_answered, answers)), True
            self.known.update(zip(keys, answers, strict=True))
        except Exception as error:
            self.refused = True
            self.known.update(dict.fromkeys(keys, Refusal(error)))


_reading: dict[asyncio.Task[None], Loaders] = {}
"""The loop itself keeps no task alive; and who reads may be told to stop."""


def _begin(reading: Reading, batch: Batch) -> None:
    if all(waiting.cancelled() for waiting, _ in batch.waiting):
        reading.batch = None
        return
    task = asyncio.get_running_loop().create_task(reading.read(batch))
    _reading[task] = reading.loaders
    task.add_done_callback(_reading.pop)


def _tell(waiting: asyncio.Future[Any], answer: Any) -> None:
    if type(answer) is Refusal:
        waiting.set_exception(answer.error)
    else:
        waiting.set_result(answer)


def _by_key(rows: Sequence[Any], name: str) -> dict[Any, Any]:
    return dict(zip(map(attrgetter(name), rows), rows, strict=True))


def _answered(answer: Any) -> Any:
    return Refusal(answer) if isinstance(answer, Exception) else answer
