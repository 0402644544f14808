"""What tests through a gateway share: the demo's world, a process for each domain and one for the
whole, Hive Gateway, and operations over them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench.through_gateway import Operation, Sides, running_sides
from core.ids import encode_id
from core.settings import Settings
from core.tokens import ensure_keys
from services.search.reindexing import reindex
from services.seed.demo import seed_demo
from services.users.passwords import passwords_of
from tests.concurrency.serving import token_for
from tests.conformance.cases import Case

MARK = re.compile(r"%([a-z_]+):(\d+)%")
IDS = 6
TABLES = {"auction": "auc", "user_account": "usr", "stall": "stl", "product": "prd"}
OTHERS = {"title": "ttl", "person": "per", "platform": "plt", "post": "pst", "quest": "qst"}
ROOMY = {
    "MELA_JOBS": "false",
    "MELA_DEMO": "false",
    "MELA_LOG_LEVEL": "warning",
    "MELA_RATE_LIMITS": "off",
    "MELA_MAX_COST": "1000000",
    "MELA_MAX_COST_ANONYMOUS": "1000000",
    "MELA_MAX_DEPTH": "20",
    "MELA_MAX_ALIASES": "500",
    "MELA_MAX_TOKENS": "20000",
    "MELA_POOL_MAX": "5",
}


@dataclass(frozen=True)
class GatewayWorld:
    """Where everything runs, who asks, and ids by table."""

    sides: Sides
    folder: Path
    token: str
    other_token: str
    ids: Mapping[str, tuple[str, ...]]

    def operation(self, case: Case) -> Operation:
        """A case of the corpus with this world's ids; every fourth is nobody's."""
        variables = {
            name: self._placed(value) if isinstance(value, str) else value
            for name, value in case.variables.items()
        }
        return Operation(self._placed(case.text), variables, nobody=case.seed % 4 == 0)

    def _placed(self, text: str) -> str:
        return MARK.sub(lambda found: self.ids[found[1]][int(found[2])], text)

    def ask(self, url: str, query: str, *, token: str | None = None, **variables: object) -> Any:
        """The answer's JSON over HTTP, whatever its status."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        return httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False).json()


async def prepare(database_url: str, folder: Path) -> dict[str, tuple[str, ...]]:
    """The demo's world, found by search; the first ids of each table."""
    passwords = passwords_of(Settings(argon2_memory_kib=8, argon2_time_cost=1))
    try:
        await seed_demo(database_url, state_dir=folder, passwords=passwords)
    finally:
        passwords.close()
    await reindex(database_url, grace_s=0)
    connection = await asyncpg.connect(database_url)
    try:
        ids = {}
        for table, prefix in {**TABLES, **OTHERS}.items():
            rows = await connection.fetch(f"SELECT id FROM {table} ORDER BY id LIMIT {IDS}")
            ids[table] = tuple(encode_id(prefix, row["id"]) for row in rows)
        names = await connection.fetch(
            "SELECT id FROM user_account ORDER BY username = 'demo' DESC, username LIMIT 2"
        )
        return ids | {"asking": tuple(str(row["id"]) for row in names)}
    finally:
        await connection.close()


@contextmanager
def gateway_world(
    database_url: str, redis_url: str, folder: Path, ids: dict[str, tuple[str, ...]]
) -> Iterator[GatewayWorld]:
    """Start all of it on a prepared database."""
    from uuid import UUID

    environment = {name: value for name, value in os.environ.items() if name[:5] != "MELA_"}
    environment |= ROOMY | {
        "MELA_DATABASE_URL": database_url,
        "MELA_REDIS_URL": redis_url,
        "MELA_STATE_DIR": str(folder),
        "MELA_SIGNING_ALGORITHM": "EdDSA",
    }
    ring = ensure_keys(folder / "keys", "EdDSA")
    tokens = [
        token_for(ring, UUID(id), roles=("USER", "ARTISAN", "MODERATOR")) for id in ids["asking"]
    ]
    with running_sides(environment, folder) as sides:
        yield GatewayWorld(sides, folder, *tokens, ids)
