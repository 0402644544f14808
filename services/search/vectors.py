"""What means alike: vectors of documents, by the model that made them, and the nearest of them.
How a text becomes a vector is the embedder's; when documents are encoded stands in jobs/."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.database import Database, ReadSession, Transaction
from core.ports import Embedder
from core.preflight import NotReady
from services.search.contract import Ranked, SemanticRetriever
from services.search.encoding import Encoded, Encoder, encoded

TEXT_MAX = 2_000
"""Characters of a document that are encoded; the model cuts by its own measure."""
NEAR_ENOUGH = 0.3
"""Cosine from which a document has to do with a query at all. On Cranfield a tenth of what is
relevant lies below, and the fusion loses nothing; without it everything would match a little."""
BREADTH = 200
"""Neighbours that the index looks at for the nearest hundred."""
READY_S = 10.0
"""How long it is believed that a model is ready, or not."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_HAS_TABLE = text("SELECT to_regclass('search_vector') IS NOT NULL")
_READY = text("SELECT ready FROM search_model WHERE name = :model")
_ACTIVE_SLOT = "(SELECT slot FROM search_slot WHERE state = 'ACTIVE')"
# Model and dimension are in the text, and not asked for: the index is one model's, of a cast to its
# dimension. The breadth holds for this statement alone: it is set as the row is made from which the
# index is entered.
_NEAREST = """
    SELECT near.document, near.score
    FROM (SELECT set_config('hnsw.ef_search', '{breadth}', true) AS breadth) AS said
    CROSS JOIN LATERAL (
        SELECT v.document,
            1 - ((v.embedding::vector({dimension})) <=> CAST(CAST(:vector AS text) AS vector))
                AS score
        FROM search_vector AS v
        WHERE v.model = '{model}' AND said.breadth IS NOT NULL
        ORDER BY (v.embedding::vector({dimension})) <=> CAST(CAST(:vector AS text) AS vector)
        LIMIT :limit
    ) AS near
    WHERE near.score >= :enough AND EXISTS (
        SELECT FROM search_document AS d WHERE d.id = near.document AND d.slot = {slot})
    ORDER BY near.score DESC, near.document
"""
_STALE = """
    SELECT d.id, d.digest, d.kind, d.name, d.names, d.summary, d.details, d.body, d.year
    FROM search_document AS d
    LEFT JOIN search_vector AS v ON v.model = :model AND v.document = d.id
    WHERE d.slot = {slot} AND d.id > :after {only}
      AND (v.document IS NULL OR v.digest <> d.digest)
    ORDER BY d.id LIMIT :limit
"""
_LATELY = """AND d.id IN (
        SELECT c.document FROM search_column_change AS c
        WHERE c.at > clock_timestamp() - make_interval(secs => :ago_s))"""
_COUNT_STALE = """
    SELECT count(*), count(*) FILTER (WHERE v.document IS NULL OR v.digest <> d.digest)
    FROM search_document AS d
    LEFT JOIN search_vector AS v ON v.model = :model AND v.document = d.id
    WHERE d.slot = {slot}
"""
_STALE_PAGE = text(_STALE.format(slot=_ACTIVE_SLOT, only=""))
_STALE_LATELY = text(_STALE.format(slot=_ACTIVE_SLOT, only=_LATELY))
_STALE_COUNT = text(_COUNT_STALE.format(slot=_ACTIVE_SLOT))
_WRITE = text(
    """
    INSERT INTO search_vector (model, document, digest, embedding)
    SELECT :model, r.document, r.digest, CAST(r.vector AS vector)
    FROM unnest(CAST(:documents AS int[]), CAST(:digests AS bytea[]), CAST(:vectors AS text[]))
        AS r(document, digest, vector)
    WHERE EXISTS (SELECT FROM search_entity AS e WHERE e.id = r.document)
    ORDER BY r.document
    ON CONFLICT (model, document) DO UPDATE SET
        digest = excluded.digest, embedding = excluded.embedding
    """
)
_TABLE = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    """
    CREATE TABLE IF NOT EXISTS search_vector (
        document integer NOT NULL REFERENCES search_entity (id) ON DELETE CASCADE,
        model text NOT NULL REFERENCES search_model (name) ON DELETE CASCADE,
        digest bytea NOT NULL,
        embedding vector NOT NULL,
        CONSTRAINT pk_search_vector PRIMARY KEY (model, document)
    )
    """,
    "CREATE INDEX IF NOT EXISTS ix_search_vector_document ON search_vector (document)",
)
_HAS_EXTENSION = text("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')")
_REGISTER = text(
    """
    INSERT INTO search_model (name, dimension) VALUES (:model, :dimension)
    ON CONFLICT (name) DO UPDATE SET dimension = search_model.dimension RETURNING dimension
    """
)
_DEACTIVATE = text("UPDATE search_model SET active = false WHERE active AND name <> :model")
_ACTIVATE = text("UPDATE search_model SET ready = true, active = true WHERE name = :model")
_FORGET = text(
    """
    DELETE FROM search_vector WHERE ctid = ANY (ARRAY(
        SELECT v.ctid FROM search_vector AS v
        WHERE NOT EXISTS (SELECT FROM search_document AS d WHERE d.id = v.document)
        LIMIT 1000))
    """
)


class VectorsMissing(NotReady):
    """The database has no pgvector: search goes by words and names alone."""


class StaleDocument(NamedTuple):
    """A document whose vector is missing or was made of another text."""

    document: int
    digest: bytes
    kind: str
    name: str
    names: Sequence[str]
    summary: str
    details: str
    body: str
    year: int | None


@dataclass(slots=True)
class Semantic:
    """A process's way to what means alike: whether there is one is looked at now and then."""

    db: Database
    encoder: Encoder
    _ready: bool = False
    _looked_at: float = -READY_S

    async def retriever(self) -> SemanticRetriever | None:
        """None where no model is installed, or its vectors are not ready."""
        embedder = self.encoder.embedder
        if embedder is None:
            return None
        if monotonic() - self._looked_at > READY_S:
            async with self.db.read() as session:
                self._ready = await model_ready(session, embedder.name)
            self._looked_at = monotonic()
        return self._retrieve if self._ready else None

    async def _retrieve(self, words: str, limit: int) -> Sequence[Ranked]:
        query = await self.encoder.query(words)
        if query is None:
            return []
        async with self.db.read() as session:
            return await semantic_retrieve(session, query, limit=limit)


async def semantic_retrieve(session: ReadSession, query: Encoded, *, limit: int) -> list[Ranked]:
    """The documents nearest to a query, best first, by cosine; only what can be found at all.
    `limit` at most, and 200 in any case."""
    statement = _NEAREST.format(
        model=checked_name(query.model),
        dimension=int(query.dimension),
        breadth=BREADTH,
        slot=_ACTIVE_SLOT,
    )
    asked = {"vector": query.vector, "limit": min(limit, BREADTH), "enough": NEAR_ENOUGH}
    return [Ranked(*row) for row in await session.execute(text(statement), asked)]


async def has_vectors(session: ReadSession | Transaction) -> bool:
    """Whether the database can keep vectors."""
    return bool(await session.scalar(_HAS_TABLE))


async def make_table(tx: Transaction) -> None:
    """Make what the migration left out for want of pgvector, which may be there by now. Raises
    `VectorsMissing` where it is not, or may not be made."""
    if not await tx.scalar(_HAS_EXTENSION):
        raise VectorsMissing(
            "this PostgreSQL has no pgvector: install the extension `vector` on the server; until"
            " then search goes by words and names"
        )
    try:
        for statement in _TABLE:
            await tx.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        raise VectorsMissing(
            "pgvector is here, but this user may not make it: let a superuser run"
            " CREATE EXTENSION vector"
        ) from error


async def register_model(tx: Transaction, *, embedder: Embedder) -> None:
    """Make a model known, beside those that are. Raises `ValueError` where a model of this name
    has vectors of another length."""
    asked = {"model": checked_name(embedder.name), "dimension": embedder.dimension}
    known = await tx.scalar(_REGISTER, asked)
    if known != embedder.dimension:
        raise ValueError(f"{embedder.name} is known with {known} dimensions: give it a new name")


async def activate_model(tx: Transaction, *, model: str) -> None:
    """All is encoded: let searches use it, and say that it is the one in use."""
    await tx.execute(_DEACTIVATE, {"model": model})
    await tx.execute(_ACTIVATE, {"model": model})


async def model_ready(session: ReadSession, model: str) -> bool:
    """Whether all documents have, or had once, a vector of the model."""
    if not await has_vectors(session):
        return False
    return bool(await session.scalar(_READY, {"model": model}))


def checked_name(model: str) -> str:
    """A model's name, which stands in statements. Raises `ValueError` for any other text."""
    if not _NAME.fullmatch(model):
        raise ValueError("a model is named by a-z, 0-9, '.', '_' and '-', 60 characters at most")
    return model


def text_of(document: StaleDocument) -> str:
    """What of a document is encoded: its names, what it is, and what it says."""
    names = [document.name, *document.names[:2]]
    said = document.body or document.summary
    kind = document.kind.lower() + (f" {document.year}" if document.year else "")
    parts = (" / ".join(dict.fromkeys(names)), said, kind, document.details)
    return ". ".join(part for part in parts if part)[:TEXT_MAX]


async def stale_documents(
    session: ReadSession, model: str, *, after: int, limit: int, ago_s: float | None = None
) -> list[StaleDocument]:
    """The next documents to be encoded, by number; of those alone that changed so lately, if said:
    else all are looked through."""
    asked: dict[str, Any] = {"model": model, "after": after, "limit": limit}
    if ago_s is None:
        return [StaleDocument(*row) for row in await session.execute(_STALE_PAGE, asked)]
    found = await session.execute(_STALE_LATELY, asked | {"ago_s": ago_s})
    return [StaleDocument(*row) for row in found]


async def count_stale(session: ReadSession, model: str) -> tuple[int, int]:
    """How many documents there are, and how many of them are to be encoded."""
    total, stale = (await session.execute(_STALE_COUNT, {"model": model})).one()
    return int(total), int(stale)


async def write_vectors(
    tx: Transaction,
    embedder: Embedder,
    documents: Sequence[StaleDocument],
    vectors: Sequence[Sequence[float]],
) -> None:
    """Keep vectors, each with the digest of the text that it was made of."""
    await tx.execute(
        _WRITE,
        {
            "model": embedder.name,
            "documents": [document.document for document in documents],
            "digests": [document.digest for document in documents],
            "vectors": [encoded(embedder, vector).vector for vector in vectors],
        },
    )


async def forget_vectors(tx: Transaction) -> int:
    """Delete vectors of what is no longer found, a thousand at most; how many."""
    result: Any = await tx.execute(_FORGET)
    return int(result.rowcount)
