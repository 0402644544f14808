"""The same operations to the whole graph and, through a gateway, to a process for each domain: what
they answer differently. Both read one database."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from bench.processes import ROOT
from deploy.gateway import hive_tools, running_gateway
from deploy.subgraphs import WHOLE
from tests.conformance.comparing import null_around
from web.supergraph_command import compose

ANSWER_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Operation:
    """What is sent to both; without the token if `nobody`."""

    text: str
    variables: Mapping[str, Any]
    nobody: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, as far as both must agree."""

    data: bytes
    errors: frozenset[tuple[str, str]]
    """Each by its path, as JSON, and its code."""
    refused: bool
    """It was not begun: an error has no path."""
    told: str


@dataclass(frozen=True)
class Sides:
    """Both ways to the same data."""

    whole: str
    gateway: str
    subgraphs: Mapping[str, str]


@contextmanager
def running_sides(environment: Mapping[str, str], folder: Path) -> Iterator[Sides]:
    """A process for the whole graph, one for each domain and the gateway, on the database and the
    Redis that `environment` names. Raises `GatewayError`."""
    tools = hive_tools()
    with (folder / "subgraphs.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.subgraphs"],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        urls: dict[str, str] = json.loads(process.stdout.readline())
        whole = urls.pop(WHOLE)
        supergraph = folder / "supergraph.graphql"
        supergraph.write_text(compose(urls, tools), encoding="utf-8")
        with running_gateway(supergraph, tools, log=folder / "gateway.log") as gateway:
            yield Sides(whole, gateway, urls)
    finally:
        process.stdin.close()
        process.wait(STOP_TIMEOUT_S)
        process.stdout.close()


@asynccontextmanager
async def asking(sides: Sides, token: str) -> AsyncIterator[Any]:
    """`await differences(operations)`: of each that is answered differently, what both said."""
    limits = httpx.Limits(max_connections=2 * AT_ONCE)
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_TIMEOUT_S, limits=limits) as http:
        turn = asyncio.Semaphore(AT_ONCE)

        async def ask(url: str, asked: Operation) -> Answer:
            headers = {} if asked.nobody else {"Authorization": f"Bearer {token}"}
            body = {"query": asked.text, "variables": dict(asked.variables)}
            return _answer((await http.post(url, json=body, headers=headers)).content)

        async def difference(asked: Operation) -> str | None:
            async with turn:
                whole, gateway = await asyncio.gather(
                    ask(sides.whole, asked), ask(sides.gateway, asked)
                )
            return None if alike(whole, gateway) else _said(asked, whole, gateway)

        async def differences(operations: Iterable[Operation]) -> list[str]:
            found = await asyncio.gather(*map(difference, operations))
            return [one for one in found if one is not None]

        yield differences


def alike(whole: Answer, gateway: Answer) -> bool:
    """The same data, to the order of its keys, and the same errors by code and path. Of several
    errors that would make one place null, one is enough.

    What is no operation must be refused on both ways: of a value that only its subgraph can read,
    such as a cursor, the gateway hears when it asks that one, and may answer the rest.
    """
    if whole.refused:
        return gateway.refused or bool(gateway.errors)
    if whole.data != gateway.data or gateway.refused:
        return False
    data = orjson.loads(whole.data)
    for path, _ in whole.errors ^ gateway.errors:
        place = null_around(data, json.loads(path))
        if place is None:
            return False
        for some in (whole.errors, gateway.errors):
            if not any(json.loads(p)[: len(place)] == list(place) for p, _ in some):
                return False
    return True


def _answer(body: bytes) -> Answer:
    answer = orjson.loads(body)
    told = answer.get("errors") or ()
    errors = {
        (json.dumps(one["path"]), str(one.get("extensions", {}).get("code")))
        for one in told
        if one.get("path")
    }
    refused = any(not one.get("path") for one in told)
    return Answer(orjson.dumps(answer.get("data")), frozenset(errors), refused, body.decode())


def _said(asked: Operation, whole: Answer, gateway: Answer) -> str:
    return (
        f"{asked.text}\nvariables {json.dumps(asked.variables)}, nobody: {asked.nobody}\n"
        f"the whole answers   {whole.told[:3_000]}\nthe gateway answers {gateway.told[:3_000]}\n"
    )
