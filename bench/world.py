"""The data that both servers read: servers of its own in a temporary folder, seeded at scale 1."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from core.embedded import EmbeddedHandle, start_embedded
from core.migrations import upgrade
from services.seed.world import seed_world

SEED = 42
USER_IDS = 2_000

_LOT = """
    SELECT a.id, array(
        SELECT u.id FROM user_account u
        WHERE u.id <> a.seller_id
          AND u.id NOT IN (SELECT user_id FROM stall_member m WHERE m.stall_id = a.stall_id)
        ORDER BY u.id LIMIT 2
    ) AS bidders
    FROM auction a WHERE a.status = 'OPEN' AND a.asset = 'USD'
    ORDER BY a.ends_at DESC, a.id LIMIT 1
"""

# The newest lots have not opened yet; W2 shows top bids, so its page gets lots that have some.
_BIDS_FIRST = "UPDATE auction SET created_at = created_at - interval '5 years' WHERE bid_count < 3"


@dataclass(frozen=True, slots=True)
class World:
    """A seeded database, a Redis, and what the workloads name in them."""

    folder: Path
    handle: EmbeddedHandle
    user_ids: list[UUID]
    auction_id: UUID
    bidder_ids: list[UUID]

    @property
    def database_url(self) -> str:
        """Of the seeded database."""
        assert self.handle.database_url is not None
        return self.handle.database_url

    @property
    def redis_url(self) -> str:
        """Of the bus."""
        assert self.handle.redis_url is not None
        return self.handle.redis_url

    def environment(self) -> dict[str, str]:
        """What a server under test is started with."""
        return {
            "MELA_DATABASE_URL": self.database_url,
            "MELA_REDIS_URL": self.redis_url,
            "MELA_STATE_DIR": str(self.folder / "server"),
            "MELA_PAGE_MAX": "1000",
            "MELA_MAX_COST": "100000",
            "MELA_MAX_COST_ANONYMOUS": "100000",
            "MELA_LOG_LEVEL": "warning",
        }


@contextmanager
def seeded_world(
    *, scale: float = 1, progress: Callable[[str, int, int], None] | None = None
) -> Iterator[World]:
    """Start the servers, migrate, seed; all of it is gone at the end. About 15 s at scale 1."""
    folder = Path(tempfile.mkdtemp(prefix="mela-bench-"))
    folder.chmod(0o711)  # root's servers run under another account, which must get through
    try:
        with start_embedded(folder / "state", durable=False) as handle:
            assert handle.database_url is not None
            asyncio.run(upgrade(handle.database_url))
            found = asyncio.run(_seed(handle.database_url, scale, progress))
            yield World(folder, handle, *found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _seed(
    url: str, scale: float, progress: Callable[[str, int, int], None] | None
) -> tuple[list[UUID], UUID, list[UUID]]:
    await seed_world(url, scale=scale, seed=SEED, password_hash="none", progress=progress)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_BIDS_FIRST)
        # No autovacuum in the middle of a measurement.
        await connection.execute("VACUUM ANALYZE")
        users = await connection.fetch(
            "SELECT id FROM user_account ORDER BY md5(id::text) LIMIT $1", USER_IDS
        )
        lot = await connection.fetchrow(_LOT)
    finally:
        await connection.close()
    return [user["id"] for user in users], lot["id"], list(lot["bidders"])
