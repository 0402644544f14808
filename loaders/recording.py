"""What is sent to a database, taken down for people: by a database that is none, and beside a real
one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from core.database import Database


@dataclass(slots=True)
class DryDatabase:
    """Takes statements down and answers that there is nothing."""

    sent: list[str]

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> list[Any]:
        self.sent.append(statement)
        return []

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        yield self

    async def execute(self, statement: Any, *_: Any) -> Any:
        self.sent.append(str(statement.compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
        return IteratorResult(SimpleResultMetaData([]), iter(()))


_SENT: ContextVar[list[str] | None] = ContextVar("sent", default=None)


@contextmanager
def recorded(db: Database) -> Iterator[list[str]]:
    """The statements that are sent from here, and from tasks begun here; for development: it
    listens to all that the process sends."""
    sent: list[str] = []

    def listen(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if _SENT.get() is sent:
            sent.append(statement)

    token = _SENT.set(sent)
    sa_event.listen(db.engine.sync_engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        sa_event.remove(db.engine.sync_engine, "before_cursor_execute", listen)
        _SENT.reset(token)
