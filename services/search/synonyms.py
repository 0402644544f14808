"""Words that are looked up beside those of a query: a small list of our own, and what
administrators set. Directed: a term's meanings are searched where it is, with less weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text

from core.database import Database, ReadSession, Transaction
from core.errors import InvalidInput
from core.jsontext import to_json
from services.search.refreshing import refreshed
from services.search.understanding.words import Word, phrase, words_of

WEIGHT = 0.4
"""What a synonym's score is worth beside that of the word itself."""
EXPANSIONS_MAX = 2
"""Other ways in which a query is looked up: each costs as much as the query itself."""
TERM_MAX = 60
MEANS_MAX = 20
SYNONYMS_MAX = 10_000
"""Terms that may be set."""
_TERM_WORDS_MAX = 4

# Each means all others of its line.
_GROUPS = """
movie, film
movies, films
tv, television
tv series, tv show
science fiction, sci fi
biopic, biography
romcom, romantic comedy
whodunit, murder mystery
cartoon, animation
ww1, wwi, world war i, first world war
ww2, wwii, world war ii, second world war
usa, united states, america
uk, united kingdom, britain
new york city, nyc
los angeles, la
automobile, car
aeroplane, airplane
jewellery, jewelry
colour, color
grey, gray
pottery, ceramics
painting, artwork
handmade, handcrafted
policeman, cop
physician, doctor
attorney, lawyer
"""

Synonyms = Mapping[str, tuple[str, ...]]


class Expansion(NamedTuple):
    """A query in other words, and what its score is worth beside that of the query itself."""

    words: str
    weight: float


_ALL = text("SELECT term, means FROM search_synonym ORDER BY term LIMIT :limit")
_SET = text(
    """
    INSERT INTO search_synonym AS s (term, means)
    SELECT t.term, ARRAY(SELECT jsonb_array_elements_text(t.means))
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(term text, means jsonb)
    ON CONFLICT (term) DO UPDATE SET means = excluded.means WHERE s.means <> excluded.means
    """
)
_REMOVE = text("DELETE FROM search_synonym WHERE term = ANY (CAST(:terms AS text[]))")
_COUNT = text("SELECT count(*) FROM search_synonym")


def _own() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in _GROUPS.strip().splitlines():
        words = [each.strip() for each in line.split(",")]
        for word in words:
            found[word] = tuple(each for each in words if each != word)
    return found


OWN: Synonyms = _own()


async def _read(db: Database) -> Synonyms:
    async with db.read() as session:
        return {**OWN, **await set_synonyms(session)}


synonyms = refreshed(_read)
"""`await synonyms(db)`: our own and those that were set, a minute old at most."""


async def set_synonyms(session: ReadSession) -> dict[str, tuple[str, ...]]:
    """What administrators set, by term."""
    rows = await session.execute(_ALL, {"limit": SYNONYMS_MAX})
    return {row.term: tuple(row.means) for row in rows}


def expand(query: str, known: Synonyms) -> tuple[Expansion, ...]:
    """The query said in other words: each word or phrase of it that is known is replaced by what it
    means, in the first by its first meaning, in the next by its second; `EXPANSIONS_MAX` at most.
    The longest phrases first; what stands in quotes is meant as it is."""
    words = words_of(query)
    found = _known_phrases(words, known)
    if not found:
        return ()
    said: dict[str, None] = {}
    for number in range(min(EXPANSIONS_MAX, max(len(means) for _, _, means in found))):
        parts: list[str] = []
        at = 0
        for first, end, means in found:
            parts.append(query[at : words[first].start])
            parts.append(means[min(number, len(means) - 1)])
            at = words[end - 1].end
        said.setdefault("".join([*parts, query[at:]]))
    return tuple(Expansion(each, WEIGHT) for each in said)


def _known_phrases(
    words: Sequence[Word], known: Synonyms
) -> list[tuple[int, int, tuple[str, ...]]]:
    found = []
    at = 0
    while at < len(words):
        for end in range(min(at + _TERM_WORDS_MAX, len(words)), at, -1):
            key = " ".join(word.key for word in words[at:end])
            if means := known.get(key):
                found.append((at, end, means))
                at = end - 1
                break
        at += 1
    return found


def read_synonyms(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Synonyms of a text: a line each, `term: meaning, meaning`; `#` begins a remark.

    Raises `InvalidInput` with the line's number for what is none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        plain = line.split("#", 1)[0].strip()
        if not plain:
            continue
        term, colon, means = plain.partition(":")
        if not colon:
            raise InvalidInput("synonyms", f"line {number}: not of the form term: meaning, meaning")
        try:
            key, meant = checked(term, means.split(","))
        except InvalidInput as error:
            raise InvalidInput("synonyms", f"line {number}: {error.reason}") from None
        found[key] = tuple(dict.fromkeys((*found.get(key, ()), *meant)))[:MEANS_MAX]
    return found


def checked(term: str, means: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """A synonym as it is compared. Raises `InvalidInput` for no words, too many, or too long."""
    key = phrase(term)
    meant = tuple(dict.fromkeys(plain for each in means if (plain := phrase(each))))
    if not key or len(key) > TERM_MAX or key.count(" ") >= _TERM_WORDS_MAX:
        raise InvalidInput("term", f"one to {_TERM_WORDS_MAX} words, {TERM_MAX} characters at most")
    if not 1 <= len(meant) <= MEANS_MAX or any(len(each) > TERM_MAX for each in meant):
        limits = f"1 to {MEANS_MAX} of {TERM_MAX} characters at most"
        raise InvalidInput("means", limits)
    return key, meant


async def import_synonyms(tx: Transaction, wanted: Mapping[str, Sequence[str]]) -> int:
    """Set synonyms, in place of what their terms meant before; how many changed.

    Raises `InvalidInput` where there would be more than `SYNONYMS_MAX`.
    """
    rows = [{"term": term, "means": list(means)} for term, means in wanted.items()]
    result = await tx.execute(_SET, {"rows": to_json(rows)})
    if int((await tx.execute(_COUNT)).scalar_one()) > SYNONYMS_MAX:
        raise InvalidInput("synonyms", f"{SYNONYMS_MAX} terms at most")
    return int(result.rowcount)  # type: ignore[attr-defined]


async def remove_synonyms(tx: Transaction, terms: Sequence[str]) -> int:
    """Take back what terms mean; how many there were. Our own stay."""
    result = await tx.execute(_REMOVE, {"terms": [phrase(term) for term in terms]})
    return int(result.rowcount)  # type: ignore[attr-defined]
