"""From a query to what it asks for: names looked up, then the pure grammar."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from core.database import Database
from services.search.contract import Interpretation
from services.search.understanding.dictionaries import dictionaries
from services.search.understanding.interpreting import interpret
from services.search.understanding.names import names_of


async def understand(db: Database, text: str, now: datetime) -> Interpretation:
    """What `text` asks for. One statement for names as a rule, two or three at most; where the
    filters leave nothing, `joining.loosened(text, …)` gives what to search instead."""
    held = await dictionaries(db)
    async with db.read() as session:
        names = await names_of(session, text, held)
    return interpret(text, replace(held, names=names), now)
