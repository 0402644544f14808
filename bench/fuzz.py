"""`python -m bench.fuzz`: generated operations through both executors, then generated operations
and broken requests against a running Mela.

The executors must answer alike (`bench/differences.py`). The server may refuse anything with an
error of the client's; what fails the run is an `INTERNAL_SERVER_ERROR`, an answer that is not
GraphQL's, or a server that went away.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Annotated, Any

import httpx
import typer
from graphql import build_schema
from rich.console import Console

from bench.differences import Compared, compare
from bench.growing import Grower
from bench.processes import ROOT, BenchError, serving
from bench.world import World, seeded_world
from core.embedded import EmbeddedError
from core.ids import encode_id

out = Console()
CLIENTS_FAULTS = {200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 422, 429, 431}


def broken(dice: random.Random, body: bytes) -> tuple[bytes, dict[str, str]]:
    """A request damaged in its bytes or in what it says of itself."""
    headers = {"Content-Type": "application/json"}
    match dice.randrange(5):
        case 0:
            body = dice.randbytes(dice.randint(0, 2_000))
        case 1:
            at = dice.randrange(len(body))
            body = body[:at] + dice.randbytes(dice.randint(1, 8)) + body[at + 1 :]
        case 2:
            body = body[: dice.randrange(len(body))]
        case 3:
            nested = dice.randint(1, 5_000)
            body = b'{"query":' + b"[" * nested + b"]" * nested + b"}"
        case _:
            kinds = (
                "text/plain",
                "multipart/form-data",
                "application/graphql",
                "",
                "a/b; charset=x",
            )
            headers = {"Content-Type": dice.choice(kinds)}
    if dice.random() < 0.2:
        headers["Authorization"] = dice.choice(("Bearer", "Bearer x.y.z", "Basic eDp5", "\x7f"))
    return body, headers


def fuzz(world: World, minutes: float, seed: int) -> Counter[str]:
    """Send until the time is over; how often each code came. Raises `BenchError` at a failure."""
    dice = random.Random(seed)
    schema = build_schema((ROOT / "supergraph" / "mela.graphql").read_text(), assume_valid=True)
    ids = [encode_id("usr", id) for id in world.user_ids[:5]]
    ids += [encode_id("auc", world.auction_id), encode_id("xyz", world.auction_id)]
    grower = Grower(schema, dice, ids)
    seen: Counter[str] = Counter()
    log = world.folder / "fuzz.log"
    with (
        serving("mela", world.environment(), log) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        ends_at = time.monotonic() + minutes * 60
        while time.monotonic() < ends_at:
            body = _json(grower.operation(), dice)
            headers = {"Content-Type": "application/json"}
            if dice.random() < 0.25:
                body, headers = broken(dice, body)
            _send(client, body, headers, seen, log)
    return seen


def _json(query: str, dice: random.Random) -> bytes:
    variables = dice.choice([None, None, {}, {"missing": None}, {"missing": [1, "x"]}])
    request = httpx.Request("POST", "http://x", json={"query": query, "variables": variables})
    return request.read()


def _send(
    client: httpx.Client, body: bytes, headers: dict[str, str], seen: Counter[str], log: Any
) -> None:
    try:
        answer = client.post("/graphql", content=body, headers=headers)
    except httpx.HTTPError as error:
        raise BenchError(_told(f"no answer ({error!r})", body, log)) from error
    if answer.status_code not in CLIENTS_FAULTS:
        raise BenchError(_told(f"status {answer.status_code}", body, log))
    seen[f"HTTP {answer.status_code}"] += 1
    if "json" not in answer.headers.get("content-type", ""):
        return
    codes = [
        str((error.get("extensions") or {}).get("code"))
        for error in answer.json().get("errors") or []
    ]
    seen.update(codes or ["ok"])
    if "INTERNAL_SERVER_ERROR" in codes:
        raise BenchError(_told("INTERNAL_SERVER_ERROR", body, log))


def _told(what: str, body: bytes, log: Any) -> str:
    tail = log.read_text(errors="replace")[-3_000:]
    return f"{what} for\n{body[:3_000]!r}\nthe server's log ends:\n{tail}"


def main(
    operations: Annotated[
        int, typer.Option(min=0, help="How many to run through both executors.")
    ] = 20_000,
    minutes: Annotated[float, typer.Option(min=0, help="How long to send to a server.")] = 10.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same operations.")] = 1,
) -> None:
    """Compare both executors over generated operations, then throw operations and broken requests
    at Mela; a difference or a fault of the server's fails."""
    compared = asyncio.run(compare(operations, seed, out)) if operations else Compared()
    try:
        if minutes:
            with seeded_world(scale=0.05) as world:
                seen = fuzz(world, minutes, seed)
            for code, count in seen.most_common():
                out.print(f"{count:>9,}  {code}", markup=False)
    except (BenchError, EmbeddedError) as error:
        out.print(f"fuzz (seed {seed}): {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    if compared.differences:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
