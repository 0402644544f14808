"""What the grammar works with: dictionaries, the names that were looked up for a query, and what a
few of its words may mean. Data alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from services.search.contract import Boost, EntityKind, SearchFilters
from services.search.understanding.lexicon import Head
from services.search.understanding.words import Phrases, Word


@dataclass(frozen=True, slots=True)
class Sense:
    """One thing that a phrase may stand for: a genre by its slug, a platform …"""

    kind: EntityKind
    values: tuple[str, ...]
    head: Head = ""
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who bears a name that stands in the query: `ids` has more than one where several do. `near`:
    the name is another one, spelt nearly so; `surname`: only their last name was given, and it is
    `rare` where it hardly stands in the index but for them."""

    name: str
    ids: tuple[UUID, ...]
    near: bool = False
    surname: bool = False
    rare: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What was looked up for one query: which of its runs of words are names. Runs are given by
    their key (`tom hanks`)."""

    titles: frozenset[str] = frozenset()
    people: Mapping[str, Person] = field(default_factory=dict)
    stalls: Mapping[str, tuple[UUID, ...]] = field(default_factory=dict)
    sellers: Mapping[str, tuple[UUID, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """Phrases by their key, and what each may stand for: the built-in ones and the catalogue's.
    `starts` are their first words, `longest` the most words of one."""

    phrases: Mapping[str, tuple[Sense, ...]]
    starts: frozenset[str]
    longest: int
    names: Names = field(default_factory=Names)


class Trust(IntEnum):
    """How far a reading is believed. LIKELY only reorders. BESIDE is certain beside what names the
    things looked for, or where all of the query was understood; HEAD names them, if nothing goes on
    after it; SURE is certain by its own form."""

    LIKELY = 0
    BESIDE = 1
    HEAD = 2
    SURE = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words from `first` to `end` may mean: the filters they come to if that is certain,
    the boosts if not. `about` says whom they concern: titles, goods or both."""

    first: int
    end: int
    kind: EntityKind
    value: str
    trust: Trust
    filters: SearchFilters = field(default_factory=SearchFilters)
    boosts: tuple[Boost, ...] = ()
    about: frozenset[str] = frozenset()
    head: Head = ""

    @property
    def length(self) -> int:
        """How many words it takes."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class Scan:
    """A query as the rules look at it. Words beyond its ends are empty."""

    text: str
    words: tuple[Word, ...]
    dictionaries: Dictionaries
    now: datetime

    def key(self, at: int) -> str:
        """The word at a place as it is compared."""
        return self.words[at].key if 0 <= at < len(self.words) else ""

    def run(self, first: int, end: int) -> str:
        """Several words as one key."""
        return " ".join(word.key for word in self.words[first:end])

    def after(self, at: int, phrases: Phrases) -> int:
        """Where the longest of some phrases ends that begins at a place; `at` if none does."""
        key = self.key(at)
        end = at
        for phrase in phrases:
            if phrase[0] == key and at + len(phrase) > end and self._is(at, phrase):
                end = at + len(phrase)
        return end

    def _is(self, at: int, phrase: tuple[str, ...]) -> bool:
        return all(self.key(at + i) == word for i, word in enumerate(phrase))

    def dashed(self, at: int) -> bool:
        """Whether a dash joins a word to the one before."""
        return 0 < at < len(self.words) and self.words[at].gap.strip() in ("-", "–", "—")  # noqa: RUF001

    def senses(self, at: int) -> tuple[int, tuple[Sense, ...]]:
        """The longest phrase of the dictionaries at a place: where it ends, what it stands for."""
        if self.key(at) not in self.dictionaries.starts:
            return at, ()
        for end in range(min(at + self.dictionaries.longest, len(self.words)), at, -1):
            if found := self.dictionaries.phrases.get(self.run(at, end)):
                return end, found
        return at, ()


TITLES = frozenset({"titles"})
GOODS = frozenset({"goods"})
EITHER = TITLES | GOODS
