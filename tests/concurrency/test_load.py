"""The tool behind `make load`: all of its mix is answered, and aims that are missed are told."""

import asyncio
import os
import xml.etree.ElementTree as Tree
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, validate

from bench.load import Plan, load_server
from bench.load_client import fault_of
from bench.load_operations import OPERATIONS
from bench.load_report import (
    AIMED_ERRORS,
    FEWEST,
    Loaded,
    complaints,
    loaded_of,
    markdown_of,
    picture_of,
)
from bench.load_world import fill
from bench.processes import ServerProcess
from core.settings import Settings
from schema.committed import FOLDER
from schema.exporting import as_clients_see
from services.seed.world import seed_world
from tests.concurrency.serving import serve_here

DOMAINS = {"users", "content", "search", "wallets", "auctions", "quests"}
PLAN = Plan(clients=8, seconds=3.0, sockets=20, think_s=0.3, warm_up_s=0.2, tail_s=60)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"


def named(name: str) -> Any:
    return next(each for each in OPERATIONS if each.name == name)


def test_the_mix_is_valid_and_of_all_domains() -> None:
    schema = as_clients_see((FOLDER / "mela.graphql").read_text(encoding="utf-8"))
    for each in OPERATIONS:
        assert validate(schema, parse(each.text)) == [], each.name
        [operation] = parse(each.text).definitions
        assert isinstance(operation, OperationDefinitionNode)
        assert operation.name is not None
        assert operation.name.value == each.name
    assert {each.domain for each in OPERATIONS} == DOMAINS
    assert max(Counter(each.name for each in OPERATIONS).values()) == 1


@pytest.mark.parametrize(
    ("name", "answer", "fault"),
    [
        ("me", HEAD + b'{"data":{"me":{"id":"1"}}}', ""),
        ("me", b"HTTP/1.1 503 No\r\n\r\n", "HTTP 503"),
        ("me", HEAD + b'{"errors":[{"extensions":{"code":"RATE_LIMITED"}}]}', "RATE_LIMITED"),
        ("placeBid", HEAD + b'{"data":{"placeBid":{"__typename":"PlaceBidSuccess"}}}', ""),
        ("placeBid", HEAD + b'{"data":{"placeBid":{"__typename":"BidTooLow"}}}', ""),
        ("placeBid", HEAD + b'{"data":{"placeBid":{"__typename":"NotFound"}}}', "NotFound"),
        ("addComment", HEAD + b'{"data":{"addComment":{"__typename":"BidTooLow"}}}', "BidTooLow"),
    ],
)
def test_an_answer_is_what_people_wait_for_or_a_fault(name: str, answer: bytes, fault: str) -> None:
    assert fault_of(named(name), answer) == fault


def made(ms: float = 10.0, *, faults: dict[str, int] | None = None, **changes: Any) -> Loaded:
    took = {each.name: [ms] * 100 for each in OPERATIONS}
    people = {"took_ms": took, "faults": {"me": faults or {}}, "busy": 0.1}
    run = {"sockets": 10, "seconds": 5.0, "clients": 3, "server_cpu_s": 1.0}
    return replace(loaded_of(people, {"open": 10, "delivered": 7}, **run), **changes)


def test_a_run_that_meets_its_aims_is_not_complained_of() -> None:
    assert complaints(made(), p95_ms=200) == []
    few = int(AIMED_ERRORS * 100 * len(OPERATIONS)) - 1
    assert complaints(made(faults={"NotFound": few}), p95_ms=200) == []


@pytest.mark.parametrize(
    ("loaded", "told"),
    [
        (made(200.0), "p95 of all is 200 ms"),
        (made(faults={"NotFound": len(OPERATIONS)}), "not below 1 %"),
        (made(faults={"HTTP 503": 1}), "1 answers were 5xx"),
        (made(still_open=9), "1 of 10 sockets were lost"),
        (made(all=replace(made().all, answers=0)), "nothing was answered"),
    ],
)
def test_each_aim_that_is_missed_is_told(loaded: Loaded, told: str) -> None:
    assert any(told in line for line in complaints(loaded, p95_ms=200))


def test_one_slow_operation_is_told_by_name() -> None:
    loaded = made()
    slow = replace(loaded.lines[0], p95_ms=500.0)
    found = complaints(replace(loaded, lines=(slow, *loaded.lines[1:])), p95_ms=200)
    assert found == [f"p95 of {slow.name} is 500 ms, and not below 200 ms"]
    rare = replace(slow, answers=FEWEST - 1)
    assert complaints(replace(loaded, lines=(rare,)), p95_ms=200) == []


def test_table_and_picture_show_every_operation() -> None:
    loaded = made()
    text, picture = markdown_of(loaded), picture_of(loaded, p95_ms=200)
    Tree.fromstring(picture)
    for each in OPERATIONS:
        assert f"| {each.name} | {each.domain} | 100 |" in text
        assert f">{each.name}</text>" in picture


async def test_people_are_answered_in_every_domain(
    database_url: str, redis_url: str, redis_prefix: str, tmp_path: Any
) -> None:
    await seed_world(database_url, scale=0.01, seed=1, password_hash="!")
    await asyncio.to_thread(asyncio.run, fill(database_url))
    settings = Settings(
        profile="test",
        database_url=database_url,
        redis_url=redis_url,
        bus_prefix=redis_prefix,
        state_dir=tmp_path,
        signing_algorithm="EdDSA",
        jobs=False,
        demo=False,
    )
    said: list[str] = []
    async with serve_here(settings) as here:
        port = int(here.url.split(":")[2].split("/")[0])
        loaded, examples = await asyncio.to_thread(
            load_server,
            ServerProcess("here", port, os.getpid()),
            database_url,
            tmp_path / "keys",
            PLAN,
            lambda words, share=None: said.append(words),
            algorithm="EdDSA",
        )
    assert examples == []
    assert (loaded.all.errors, loaded.server_errors) == (0, 0)
    assert (loaded.still_open, loaded.sockets) == (20, 20)
    assert loaded.all.answers > 30
    assert {line.domain for line in loaded.lines if line.answers} == DOMAINS
    assert any("answered" in words for words in said)
    assert complaints(loaded, p95_ms=60_000) == []
