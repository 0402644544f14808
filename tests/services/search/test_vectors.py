"""What means alike is found: vectors are encoded once, from wherever it stopped, kept by model, and
only of what can be found at all."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from adapters.embedder import FunctionEmbedder
from core.ids import new_id
from jobs.search_vectors import encode, index_name, run_encoder
from services.search.encoding import Encoder, encoded
from services.search.vectors import (
    Semantic,
    VectorsMissing,
    make_table,
    model_ready,
    semantic_retrieve,
    text_of,
)

WORDS = ("horse", "castle", "space", "love", "war", "dog", "cook", "crime")


def meaning(texts):
    """As a model would: texts with the same words are near."""
    vectors = []
    for one in texts:
        counts = [0.05 + one.lower().count(word) for word in WORDS]
        length = sum(x * x for x in counts) ** 0.5
        vectors.append([x / length for x in counts])
    return vectors


@pytest.fixture
def model():
    """An embedder that notes what it was asked."""
    asked = []

    def call(texts):
        asked.extend(texts)
        return meaning(texts)

    return SimpleNamespace(asked=asked, embedder=FunctionEmbedder("words-1", len(WORDS), call))


@pytest.fixture
def put(db):
    """`await put("a horse")`: a document in the index that is read; its number."""

    async def put(name, *, number=None):
        async def work(tx):
            id, entity = number, new_id()
            if id is None:
                statement = "INSERT INTO search_entity (kind, entity_id) VALUES ('TITLE', :e)"
                id = await tx.scalar(text(f"{statement} RETURNING id"), {"e": entity})
            await tx.execute(
                text(
                    "INSERT INTO search_document AS d (slot, id, kind, entity_id, name, terms,"
                    " digest) VALUES (0, :id, 'TITLE', :e, :n, to_tsvector('mela_search', :n),"
                    " sha256(convert_to(:n, 'UTF8'))) ON CONFLICT (slot, id) DO UPDATE"
                    " SET name = excluded.name, terms = excluded.terms, digest = excluded.digest"
                ),
                {"id": id, "e": entity, "n": name},
            )
            return id

        return await db.transaction(work)

    return put


async def remove(db, number):
    async with db.engine.begin() as session:
        await session.execute(text("DELETE FROM search_document WHERE id = :n"), {"n": number})


async def nearest(db, embedder, words, limit=10):
    async with db.read() as session:
        found = await semantic_retrieve(
            session, encoded(embedder, embedder.embed([words])[0]), limit=limit
        )
    return [one.document for one in found]


async def vectors(db):
    async with db.read() as session:
        rows = await session.execute(text("SELECT model, document FROM search_vector"))
        return {tuple(row) for row in rows}


async def test_documents_are_found_by_meaning_and_what_is_gone_is_not(db, put, model):
    horse, castle, both = [await put(name) for name in ("horse", "castle", "horse castle")]
    done = await encode(db, model.embedder)
    assert (done.documents, done.encoded) == (3, 3)
    assert await nearest(db, model.embedder, "horse") == [horse, both]  # a castle is too far off
    assert await nearest(db, model.embedder, "horse", limit=1) == [horse]
    await remove(db, horse)
    assert await nearest(db, model.embedder, "horse") == [both]
    await encode(db, model.embedder)
    assert await vectors(db) == {("words-1", castle), ("words-1", both)}


async def test_what_was_encoded_is_not_encoded_again_until_it_changes(db, put, model):
    numbers = [await put(f"dog {n}") for n in range(40)]
    stops = iter([False, True, True, True])
    done = await encode(db, model.embedder, stopping=lambda: next(stops))
    assert done.encoded == 32
    async with db.read() as session:
        assert await model_ready(session, "words-1") is False
    assert len(await vectors(db)) == 32
    told = []
    done = await encode(db, model.embedder, progress=lambda *two: told.append(two))
    assert (done.encoded, told) == (8, [(0, 8), (8, 8)])
    model.asked.clear()
    await put("space", number=numbers[5])
    assert (await encode(db, model.embedder)).encoded == 1
    assert model.asked == ["space. title"]
    assert await nearest(db, model.embedder, "space") == [numbers[5]]


MANY = (
    "INSERT INTO search_model (name, dimension) VALUES ('words-1', 8)",
    "INSERT INTO search_entity (id, kind, entity_id)"
    " SELECT n, 'TITLE', gen_random_uuid() FROM generate_series(1, 1500) AS n",
    "INSERT INTO search_document (slot, id, kind, entity_id, name, terms, digest)"
    " SELECT 0, id, kind, entity_id, 'x', to_tsvector('x'), 'd' FROM search_entity",
    "INSERT INTO search_vector (model, document, digest, embedding) SELECT 'words-1', id, 'd', ("
    " SELECT array_agg(0.5 + random()) FROM generate_series(1, 8) WHERE id = id)::real[]::vector"
    " FROM search_entity",
    "ANALYZE search_vector",
)


async def test_a_hundred_neighbours_come_from_the_index(db, model):
    async with db.engine.begin() as session:
        for statement in MANY:
            await session.execute(text(statement))
    assert (await encode(db, model.embedder)).encoded == 0
    async with db.engine.connect() as session:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:i)"
        assert await session.scalar(text(valid), {"i": index_name("words-1")}) is True
    query = encoded(model.embedder, model.embedder.embed(["love war"])[0])
    plain = (
        "SELECT count(*) FROM (SELECT FROM search_vector WHERE model = 'words-1'"
        " ORDER BY (embedding::vector(8)) <=> CAST(CAST(:v AS text) AS vector) LIMIT 100) x"
    )
    async with db.read() as session:
        assert await session.scalar(text(plain), {"v": query.vector}) == 40  # by itself
        assert len(await semantic_retrieve(session, query, limit=100)) == 100
        assert await session.scalar(text(plain), {"v": query.vector}) == 40


async def test_a_new_version_is_made_beside_the_one_in_use(db, put, model):
    await put("horse")
    newer = FunctionEmbedder("words-2", 2, lambda texts: [[1.0, 0.0] for _ in texts])
    assert await encode(db, model.embedder)
    stopped = iter([True, True, True])
    await encode(db, newer, stopping=lambda: next(stopped))
    rows = "SELECT name, ready, active FROM search_model ORDER BY name"
    async with db.read() as session:
        found = [tuple(row) for row in await session.execute(text(rows))]
    assert found == [("words-1", True, True), ("words-2", False, False)]
    assert len(await nearest(db, model.embedder, "horse")) == 1
    await encode(db, newer)
    async with db.read() as session:
        found = [tuple(row) for row in await session.execute(text(rows))]
    assert found == [("words-1", True, False), ("words-2", True, True)]
    # A server of the version before still searches by its own model.
    assert len(await nearest(db, model.embedder, "horse")) == 1
    assert len(await nearest(db, newer, "horse")) == 1
    other = FunctionEmbedder("words-2", 3, lambda texts: [[1.0, 0.0, 0.0] for _ in texts])
    with pytest.raises(ValueError, match="2 dimensions"):
        await encode(db, other)


async def test_a_database_without_pgvector_says_so(db, put, model):
    async with db.engine.begin() as session:
        await session.execute(text("DROP EXTENSION vector CASCADE"))
        await session.execute(text("DROP TABLE search_vector"))
    async with db.engine.begin() as session:
        await session.execute(text("SET LOCAL ROLE pg_monitor"))
        with pytest.raises(VectorsMissing, match="CREATE EXTENSION vector"):
            await make_table(session)
    assert await Semantic(db, Encoder(model.embedder)).retriever() is None
    horse = await put("horse")
    await encode(db, model.embedder)  # it is there after all: the table is made
    assert await nearest(db, model.embedder, "horse") == [horse]


async def test_searches_use_a_model_only_when_it_is_ready(db, put, model):
    horse = await put("horse")
    assert await Semantic(db, Encoder(None)).retriever() is None
    assert await Semantic(db, Encoder(model.embedder)).retriever() is None
    await encode(db, model.embedder)
    encoder = Encoder(model.embedder)
    retrieve = await Semantic(db, encoder).retriever()
    found = await retrieve("Horse", 10)
    assert [one.document for one in found] == [horse]
    assert 0.9 < found[0].score <= 1.0
    await encoder.close()


async def test_vectors_keep_up_with_the_index(db, put, model):
    async with run_encoder(db, model.embedder, listen=lambda call: _Bell(call)):
        horse = await put("horse")
        _Bell.rung()
        async with asyncio.timeout(20):
            while await vectors(db) != {("words-1", horse)}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            castle = await put("castle")
            await put("war", number=horse)
            _Bell.rung()
            while await nearest(db, model.embedder, "war") != [horse]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await nearest(db, model.embedder, "castle") == [castle]


class _Bell:
    call = None

    def __init__(self, call):
        _Bell.call = call

    def __enter__(self):
        return None

    def __exit__(self, *error):
        return None

    @staticmethod
    def rung():
        _Bell.call()


async def test_a_query_is_encoded_once_and_several_together():
    calls, go = [], threading.Event()

    def call(texts):
        go.wait(10)
        calls.append(list(texts))
        return meaning(texts)

    encoder = Encoder(FunctionEmbedder("words-1", len(WORDS), call), capacity=3)
    first = asyncio.create_task(encoder.query("horse"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(encoder.query(q)) for q in ("Castle ", "castle", "war", "love")]
    await asyncio.sleep(0)
    assert await others[3] is None  # three wait already
    go.set()
    found = [await one for one in (first, *others[:3])]
    assert found[1] is found[2]
    assert calls == [["horse"], ["castle", "war"]] or calls == [["horse", "castle", "war"]]
    assert await encoder.query("  HORSE") is found[0]
    assert len(calls) <= 2
    assert await encoder.query("   ") is None
    await encoder.close()


async def test_a_model_that_breaks_leaves_search_to_words():
    def call(texts):
        raise RuntimeError("out of memory")

    encoder = Encoder(FunctionEmbedder("words-1", len(WORDS), call))
    assert await encoder.query("horse") is None
    wrong = Encoder(FunctionEmbedder("words-1", 3, meaning))
    assert await wrong.query("horse") is None
    await encoder.close()
    await wrong.close()


def test_a_document_is_encoded_by_its_names_and_what_it_says():
    document = SimpleNamespace(
        kind="TITLE",
        name="Ran",
        names=["乱", "Ran"],
        summary="An old lord",
        details="Akira Kurosawa, drama",
        body="",
        year=1985,
    )
    assert text_of(document) == "Ran / 乱. An old lord. title 1985. Akira Kurosawa, drama"
