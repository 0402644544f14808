"""Known items: cases of somebody who looks for one certain film, made from a list of films by a
seed, and how many of them find it first. No SQL."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TYPO_LETTERS = "abcdefghijklmnopqrstuvwxyz"
ONE_TYPO_LETTERS = 6
"""Shorter titles get one mistake, others one or two: of "Heat", two leave half."""
TITLE_LETTERS_MIN = 4
SENTENCE_WORDS = (6, 40)
# An initial or a title of people ends with a full stop as well.
_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z].)(?<!\b(?:Mr|Dr|Jr|Sr|St|vs|No)\.)[\"']?\s+(?=[A-Z\"'])")
_LETTER = re.compile(r"[^\W\d_]")
_WORDS = re.compile(r"\w+")

Search = Callable[[str], Awaitable[str | None]]
"""`await search(query)`: the name of the first hit, or None."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is typed, and the names that would be right as the first hit."""

    query: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many of the cases found what they wanted first; those that did not, with what came."""

    cases: int
    found: int
    missed: tuple[tuple[Case, str | None], ...]

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.found / max(1, self.cases)


def misspell(title: str, chance: random.Random) -> str:
    """The title with one or two slips of the fingers: a letter left out, doubled, replaced, put in,
    or changed with the next one. The first letter stays, as people get that right."""
    mistakes = 1 if len(_LETTER.findall(title)) < ONE_TYPO_LETTERS else chance.choice((1, 2))
    for _ in range(mistakes):
        places = [m.start() for m in _LETTER.finditer(title) if m.start() > 0]
        if not places:
            break
        title = _slip(title, chance.choice(places), chance)
    return title


def _slip(title: str, at: int, chance: random.Random) -> str:
    match chance.choice(("leave out", "double", "replace", "put in", "swap")):
        case "leave out":
            return title[:at] + title[at + 1 :]
        case "double":
            return title[: at + 1] + title[at:]
        case "replace":
            return title[:at] + chance.choice(TYPO_LETTERS) + title[at + 1 :]
        case "put in":
            return title[:at] + chance.choice(TYPO_LETTERS) + title[at:]
        case _:
            if at + 1 < len(title) and title[at + 1].isalpha():
                return title[:at] + title[at + 1] + title[at] + title[at + 2 :]
            return title[:at] + title[at + 1 :]


def typo_cases(films: Sequence[Mapping[str, Any]], *, count: int, seed: int) -> list[Case]:
    """Titles with mistakes, of films drawn by the seed. A case whose mistakes give another film's
    title is none: who types that means the other one."""
    chance = random.Random(seed)
    titles = {_folded(film["title"]) for film in films}
    found: list[Case] = []
    drawn = chance.sample(range(len(films)), len(films))
    for index in drawn:
        title = film_title(films[index])
        if len(_LETTER.findall(title)) < TITLE_LETTERS_MIN:
            continue
        typed = misspell(title, chance)
        if _folded(typed) in titles:
            continue
        found.append(Case(typed, title))
        if len(found) == count:
            break
    return found


def sentence_cases(films: Sequence[Mapping[str, Any]], *, count: int, seed: int) -> list[Case]:
    """A sentence of what is told of a film, of films drawn by the seed; any but the shortest."""
    chance = random.Random(seed)
    told = [film for film in films if film.get("extract")]
    found: list[Case] = []
    for film in chance.sample(told, len(told)):
        sentences = [s.strip() for s in _END.split(film["extract"])]
        least, most = SENTENCE_WORDS
        fit = [s for s in sentences if least <= len(_WORDS.findall(s)) <= most and len(s) <= 500]
        if fit:
            found.append(Case(chance.choice(fit), film_title(film)))
        if len(found) == count:
            break
    return found


def film_title(film: Mapping[str, Any]) -> str:
    """The title as it is compared."""
    return str(film["title"]).strip()


async def try_cases(cases: Iterable[Case], search: Search) -> Outcome:
    """Each case searched in turn."""
    tried, missed = 0, []
    for case in cases:
        tried += 1
        first = await search(case.query)
        if first is None or _folded(first) != _folded(case.wanted):
            missed.append((case, first))
    return Outcome(tried, tried - len(missed), tuple(missed))


def _folded(title: str) -> str:
    return " ".join(_WORDS.findall(title.lower()))
