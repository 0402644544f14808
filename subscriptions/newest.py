"""One subscriber of what is pushed whole: it holds the newest push alone, so that a slow consumer
skips what is outdated and never has more than one waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.errors import RequestError

P = TypeVar("P")


@dataclass(eq=False, slots=True)
class Watcher(Generic[P]):
    """Told by one task, read by another."""

    push: P | None = None
    error: RequestError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, push: P) -> None:
        """The newest, in place of one that nobody has read yet."""
        self.push = push
        self.changed.set()

    def end(self, error: RequestError) -> None:
        """After what was told last, nothing but this."""
        self.error = error
        self.changed.set()

    async def pushes(self) -> AsyncGenerator[P, None]:
        """What is told, until the end. Raises its error."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            if self.push is not None:
                push, self.push = self.push, None
                yield push
            if self.error is not None:
                raise self.error.with_traceback(None)
