"""How good a ranking is: test collections (documents, queries, judgements) and the usual measures,
every judged document counting as relevant. No SQL; jobs/search_evaluating.py runs them."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

DEPTH = 1_000
"""Places of a ranking that are judged."""
CUT = 10
RECALL_CUT = 100
# Lucene's, and those of bm25s: what search is compared with is what others would take.
BM25_METHOD, BM25_K1, BM25_B = "lucene", 1.5, 0.75
_NAMES = {
    "documents": ("corpus", "docs", "documents"),
    "queries": ("queries",),
    "judgements": ("qrels", "judgements", "judgments"),
}
_ENDINGS = (".jsonl", ".jsonl.gz", ".tsv", ".tsv.gz")


class BadCollection(Exception):
    """A folder is no test collection; says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Text:
    """A document to be found."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, queries by id, and which documents are relevant to each."""

    documents: tuple[Text, ...]
    queries: Mapping[str, str]
    relevant: Mapping[str, frozenset[str]]

    @property
    def judgements(self) -> int:
        """How many pairs are judged."""
        return sum(len(found) for found in self.relevant.values())


@dataclass(frozen=True, slots=True)
class Measures:
    """Means over the queries, each from 0 to 1; `queries` is over how many."""

    ndcg_at_10: float
    mean_average_precision: float
    recall_at_100: float
    queries: int


Rankings = Mapping[str, Sequence[str]]
"""By query: documents, the best first."""


def read_collection(folder: Path) -> Collection:
    """The collection of a folder: `corpus` (or docs), `queries` and `qrels` (or judgements), each
    as .jsonl or .tsv, also .gz. JSON lines have `_id` (or id), `title` and `text`, TSV files the
    same in columns; judgements have query, document, grade. Raises `BadCollection`."""
    documents = tuple(
        Text(_id(row), str(row.get("title") or ""), str(row.get("text") or ""))
        for row in _rows(folder, "documents", ("_id", "title", "text"))
    )
    queries = {_id(row): str(row["text"]) for row in _rows(folder, "queries", ("_id", "text"))}
    relevant: dict[str, set[str]] = {}
    for row in _rows(folder, "judgements", ("query-id", "corpus-id", "grade")):
        relevant.setdefault(str(row["query-id"]), set()).add(str(row["corpus-id"]))
    if not (documents and queries and relevant):
        raise BadCollection(f"{folder}: no documents, no queries or no judgements")
    return Collection(documents, queries, {key: frozenset(v) for key, v in relevant.items()})


def measure(rankings: Rankings, collection: Collection) -> Measures:
    """How good rankings are. A query without judgements says nothing and is passed over."""
    judged = [(rankings.get(key, ()), found) for key, found in collection.relevant.items()]
    count = len(judged)
    return Measures(
        sum(ndcg(ranking, found) for ranking, found in judged) / count,
        sum(average_precision(ranking, found) for ranking, found in judged) / count,
        sum(recall(ranking, found) for ranking, found in judged) / count,
        count,
    )


def ndcg(ranking: Sequence[str], relevant: frozenset[str], *, cut: int = CUT) -> float:
    """Discounted gain of the first places by that of the best ranking there could be."""
    gain = sum(_discount(i) for i, document in enumerate(ranking[:cut]) if document in relevant)
    return gain / sum(_discount(i) for i in range(min(cut, len(relevant))))


def average_precision(ranking: Sequence[str], relevant: frozenset[str]) -> float:
    """The mean of the precisions at each relevant document; those never found count as 0."""
    found, total = 0, 0.0
    for place, document in enumerate(ranking[:DEPTH], start=1):
        if document in relevant:
            found += 1
            total += found / place
    return total / len(relevant)


def recall(ranking: Sequence[str], relevant: frozenset[str], *, cut: int = RECALL_CUT) -> float:
    """How many of the relevant are among the first."""
    return len(relevant.intersection(ranking[:cut])) / len(relevant)


def bm25_rankings(collection: Collection) -> dict[str, list[str]]:
    """What bm25s finds, stemmed and without stop words. Raises `ImportError` where it is not
    installed: it is no part of a server."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")

    def tokens(texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25(method=BM25_METHOD, k1=BM25_K1, b=BM25_B)
    index.index(tokens([f"{d.title} {d.text}" for d in collection.documents]), show_progress=False)
    found, _ = index.retrieve(
        tokens(list(collection.queries.values())),
        k=min(DEPTH, len(collection.documents)),
        show_progress=False,
    )
    return {
        key: [collection.documents[place].id for place in places]
        for key, places in zip(collection.queries, found, strict=True)
    }


def _discount(place: int) -> float:
    return 1 / math.log2(place + 2)


def _id(row: Mapping[str, Any]) -> str:
    found = row.get("_id", row.get("id"))
    if found is None:
        raise BadCollection("a row without _id")
    return str(found)


def _rows(folder: Path, what: str, columns: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    path = _file(folder, what)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as opened:
        if ".jsonl" in path.name:
            yield from (orjson.loads(line) for line in opened if line.strip())
            return
        lines = (line.decode() for line in opened)
        for cells in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if cells and cells[0] not in ("query-id", "_id", "id"):
                yield dict(zip(columns, cells, strict=False))


def _file(folder: Path, what: str) -> Path:
    for name in _NAMES[what]:
        for ending in _ENDINGS:
            if (path := folder / f"{name}{ending}").is_file():
                return path
    raise BadCollection(f"{folder}: no {_NAMES[what][0]}.jsonl or .tsv")
