"""Vectors of queries: computed in a thread of their own, several at once where several wait, and
remembered. No SQL; what the vectors are compared with stands in vectors.py."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from core.ports import Embedder
from core.tasks import stop_all

log = structlog.get_logger(__name__)

BATCH = 16
"""Queries in one call of the model."""
REMEMBERED = 1_000
"""Queries whose vectors are kept: 5 kB each."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text's vector, as pgvector reads it, and whose it is."""

    model: str
    dimension: int
    vector: str


class Encoder:
    """One a process. Without an embedder, or with too many queries waiting, there are no vectors,
    and search does without."""

    def __init__(self, embedder: Embedder | None, *, capacity: int = 100) -> None:
        self.embedder = embedder
        self._capacity = capacity
        self._known: OrderedDict[str, Encoded] = OrderedDict()
        self._waiting: OrderedDict[str, asyncio.Future[Encoded | None]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._task: asyncio.Task[None] | None = None

    async def query(self, text: str) -> Encoded | None:
        """The vector of what somebody looks for; None where there is none to be had now."""
        words = " ".join(text.split()).lower()
        if self.embedder is None or not words:
            return None
        if (known := self._known.get(words)) is not None:
            self._known.move_to_end(words)
            return known
        waiting = self._waiting.get(words)
        if waiting is None:
            if len(self._waiting) >= self._capacity:
                return None
            waiting = self._waiting[words] = asyncio.get_running_loop().create_future()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._work(self.embedder), name="encoder")
        # Who gives up must not take the vector from the others that wait for it.
        return await asyncio.shield(waiting)

    async def close(self) -> None:
        """Let whoever waits go on without."""
        if self._task is not None:
            await stop_all([self._task])
        self._answer(list(self._waiting), None)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self, embedder: Embedder) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            texts = list(self._waiting)[:BATCH]
            try:
                vectors = await loop.run_in_executor(self._thread, embedder.embed, texts)
                self._answer(texts, [encoded(embedder, vector) for vector in vectors])
            except Exception as error:
                # A model that breaks must not take search with it.
                log.warning("query_not_encoded", model=embedder.name, reason=repr(error)[:200])
                self._answer(texts, None)

    def _answer(self, texts: Sequence[str], vectors: Sequence[Encoded] | None) -> None:
        for n, text in enumerate(texts):
            found = None if vectors is None else vectors[n]
            waiting = self._waiting.pop(text)
            if not waiting.done():
                waiting.set_result(found)
            if found is not None:
                self._known[text] = found
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def encoded(embedder: Embedder, vector: Sequence[float]) -> Encoded:
    """A vector as pgvector reads it."""
    return Encoded(embedder.name, embedder.dimension, f"[{','.join(f'{x:.7g}' for x in vector)}]")
