"""What everyone may find of each kind of thing, as SQL over its domain's tables: who may be found
is decided in these statements alone. What becomes of the documents stands in indexing.py.

A builder selects the columns of `DOCUMENT_COLUMNS` for those of `:ids` (uuid[]) that everyone may
see; `facets` are `token(facet, value, label)`s. What depends on the viewer (blocks, rating limits)
is the reader's to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.search import SearchKind
from services.search.documents_content import (
    PERSON_DOCUMENTS,
    PERSON_SEEN,
    POST_DOCUMENTS,
    POST_SEEN,
    TITLE_DOCUMENTS,
    TITLE_SEEN,
)
from services.search.documents_market import (
    AUCTION_DOCUMENTS,
    AUCTION_SEEN,
    PRODUCT_DOCUMENTS,
    PRODUCT_SEEN,
    USER_DOCUMENTS,
    USER_SEEN,
)
from services.search.documents_quests import QUEST_DOCUMENTS, QUEST_SEEN

DOCUMENT_COLUMNS: Mapping[str, str] = {
    "entity_id": "uuid",
    "name": "text",
    "names": "text[]",
    "summary": "text",
    "details": "text",
    "body": "text",
    "owner_id": "uuid",
    "year": "smallint",
    "runtime_minutes": "int",
    "maturity": "smallint",
    "price_minor": "bigint",
    "price_asset": "text",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
    "popularity": "real",
    "published_at": "timestamptz",
    "version": "timestamptz",
    "tokens": "text[]",
}
"""The columns of a builder, in order, and their types."""


@dataclass(frozen=True, slots=True)
class Builder:
    """How things of a kind become documents. `seen` is SQL of the ids (`id`) of all that everyone
    may see, when their row last changed (`version`), and what their popularity is made of; both
    null where events tell all there is."""

    documents: str
    seen: str


BUILDERS: Mapping[SearchKind, Builder] = {
    "TITLE": Builder(TITLE_DOCUMENTS, TITLE_SEEN),
    "PERSON": Builder(PERSON_DOCUMENTS, PERSON_SEEN),
    "POST": Builder(POST_DOCUMENTS, POST_SEEN),
    "USER": Builder(USER_DOCUMENTS, USER_SEEN),
    "PRODUCT": Builder(PRODUCT_DOCUMENTS, PRODUCT_SEEN),
    "AUCTION": Builder(AUCTION_DOCUMENTS, AUCTION_SEEN),
    "QUEST": Builder(QUEST_DOCUMENTS, QUEST_SEEN),
}
"""Every kind, those that most are looked for first."""
