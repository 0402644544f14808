"""From a query to what it asks for: names looked up, then the pure grammar."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from core.database import Database
from services.search.contract import Interpretation, SearchFilters
from services.search.understanding.dictionaries import dictionaries
from services.search.understanding.interpreting import interpret
from services.search.understanding.joining import loosened
from services.search.understanding.names import is_like_a_title, names_of
from services.search.understanding.words import phrase

_NOTHING = SearchFilters()


async def understand(db: Database, text: str, now: datetime) -> Interpretation:
    """What `text` asks for. One statement for names as a rule. Where a part was understood and a
    part was not, the whole may be a title that is misspelt: then it is text, and nothing is a
    filter. Where the filters leave nothing, `joining.loosened` gives what to search instead."""
    held = await dictionaries(db)
    async with db.read() as session:
        names = await names_of(session, text, held)
        found = interpret(text, replace(held, names=names), now)
        named = phrase(found.remaining).replace("'", " ") in names.titles
        partly = found.filters != _NOTHING and found.remaining and not named
        if partly and await is_like_a_title(session, text):
            return loosened(text, found)
    return found
