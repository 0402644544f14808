"""Ranking measured: on Cranfield, all judgements, beside bm25s in the same run; and a seeded sample
of known items among some thousand films. The whole of them: `mela search known-items`."""

import gzip

import orjson
import pytest

from core.settings import Settings
from jobs.search_evaluating import fill, run_queries, searching, try_films
from services.content.importing import import_titles
from services.search.evaluating import Collection, bm25_rankings, measure, read_collection
from services.search.known_items import sentence_cases, typo_cases
from services.search.reindexing import reindex
from tests.data import DATA

CRANFIELD = DATA / "search" / "cranfield"
FILMS = DATA / "titles" / "wikipedia-movies.jsonl.gz"
BM25_NDCG = 0.512
SOME_FILMS = 1_200
CASES = 100


@pytest.fixture
def collection() -> Collection:
    if not CRANFIELD.is_dir():
        pytest.skip(f"no test collection at {CRANFIELD}")
    return read_collection(CRANFIELD)


async def test_lexical_ranking_is_no_worse_than_bm25_on_cranfield(collection, database_url):
    assert (len(collection.documents), collection.judgements) == (1_400, 1_837)
    bm25 = measure(bm25_rankings(collection), collection)
    ids = await fill(database_url, collection)
    async with searching(Settings(profile="test"), database_url) as engine:
        ours = measure(await run_queries(engine, collection, ids, mode="LEXICAL"), collection)
    assert bm25.ndcg_at_10 >= BM25_NDCG
    assert ours.ndcg_at_10 >= bm25.ndcg_at_10
    assert ours.mean_average_precision >= bm25.mean_average_precision
    assert ours.recall_at_100 >= bm25.recall_at_100


async def test_known_films_come_first_for_misspelt_titles_and_for_a_sentence(
    database_url, tmp_path
):
    if not FILMS.is_file():
        pytest.skip(f"no films at {FILMS}")
    with gzip.open(FILMS) as lines:
        films = [orjson.loads(line) for line in lines][:: 36_273 // SOME_FILMS]
    path = tmp_path / "films.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, films)))
    await import_titles(database_url, path)
    await reindex(database_url, grace_s=0)
    async with searching(Settings(profile="test"), database_url) as engine:
        typos = await try_films(engine, typo_cases(films, count=CASES, seed=1))
        sentences = await try_films(engine, sentence_cases(films, count=CASES, seed=1))
    assert (typos.cases, sentences.cases) == (CASES, CASES)
    assert typos.share >= 0.96, typos.missed
    assert sentences.share >= 0.90, sentences.missed
