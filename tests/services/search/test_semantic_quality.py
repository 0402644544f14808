"""What the model adds, on a public collection: only where it is installed and the collection is
there; elsewhere this says so."""

import pytest

from adapters.embedder import open_embedder
from core.preflight import semantic_installed
from core.settings import Settings
from jobs.search_evaluating import evaluate
from services.search.evaluating import read_collection
from tests.data import DATA

CRANFIELD = DATA / "search" / "cranfield"
LEAST = 0.55


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.skipif(not semantic_installed(), reason="no model: make semantic installs one")
@pytest.mark.skipif(not CRANFIELD.is_dir(), reason="the Cranfield collection is not here")
async def test_with_the_model_the_fusion_is_better_than_words_alone(database_url):
    settings = Settings(profile="test", semantic=True)
    collection = read_collection(CRANFIELD)
    found = await evaluate(settings, database_url, collection, embedder=open_embedder(settings))
    fusion, lexical = found["fusion"], found["lexical"]
    assert fusion.queries == 225
    assert fusion.ndcg_at_10 >= LEAST
    assert fusion.ndcg_at_10 > max(lexical.ndcg_at_10, found["semantic"].ndcg_at_10)
