"""The corpus of grown operations, and what of it is kept: written once by `make_corpus`, read by
tests; `regressions.jsonl` holds each operation that two executors ever answered differently."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
REGRESSIONS = CORPUS / "regressions.jsonl"
HOSTILE, REAL = "hostile", "real"


@dataclass(frozen=True, slots=True)
class Case:
    """An operation. `seed` grew it, and of the hostile schema chooses every mishap; of the real
    schema an id reads `%table:number%`, for rows have others in each world."""

    world: str
    seed: int
    kind: str
    text: str
    variables: dict[str, Any] = field(default_factory=dict)


def _path(world: str) -> Path:
    return CORPUS / f"{world}.jsonl.gz"


def write_cases(world: str, cases: Iterable[Case]) -> Path:
    """Replace a corpus; the same cases give the same bytes."""
    lines = "".join(json.dumps(asdict(case)) + "\n" for case in cases)
    path = _path(world)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    return path


def read_cases(world: str) -> list[Case]:
    """A world's corpus, its regressions first."""
    kept = [case for case in _parsed(REGRESSIONS.read_text()) if case.world == world]
    return kept + list(_parsed(gzip.decompress(_path(world).read_bytes()).decode()))


def keep(case: Case) -> None:
    """Add a case to the regressions."""
    with REGRESSIONS.open("a") as file:
        file.write(json.dumps(asdict(case)) + "\n")


def _parsed(text: str) -> Iterable[Case]:
    return (Case(**json.loads(line)) for line in text.splitlines() if line)
