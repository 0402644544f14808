"""All that quests gave, recomputed; and badges that anybody verifies offline."""

import asyncio
import base64
import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text

from core.database import Database
from core.signing import ensure_note_keys
from services.quests.auditing import check_impact, verify_impact
from services.quests.credentials import did_key, sign_credentials
from tests.services.quests.reward_world import SPARK, World

SCRIPT = Path(__file__).parents[3] / "docs" / "verify_badge.py"
spec = importlib.util.spec_from_file_location("verify_badge", SCRIPT)
verifier = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verifier)

CREDENTIALS = "SELECT id, player_id, credential FROM achievement ORDER BY badge_slug"


@pytest.fixture
async def world(database_url, tmp_path):
    db = Database(database_url)
    made = World(db, ensure_note_keys(tmp_path))
    sponsor = await made.player(spark=9 * SPARK)
    await made.budget(sponsor, 9 * SPARK)
    for given in ({"reward_minor": SPARK}, {"reward_minor": SPARK, "sponsor_id": sponsor}, {}):
        quest = await made.quest(sponsor, **given)
        await made.reward(await made.verified(quest, await made.player(), authenticity=77))
    yield made
    await db.close()


async def found(world):
    return [check.broken for check in await verify_impact(world.db) if check.broken]


async def test_what_was_given_is_recomputed_and_any_change_is_found(world):
    checks = await verify_impact(world.db)
    assert [(check.broken, check.rows) for check in checks] == [
        (None, 3),
        (None, 3),
        (None, 2),
        (None, 3),
    ]
    for change, said in (
        ("impact_entry SET xp_awarded = xp_awarded + 1", "xp_awarded is 131, its breakdown says 1"),
        ("impact_entry SET token_minor = 7 WHERE token_minor > 0", "token_minor is 7"),
        ("impact_entry SET impact_hundredths = 0", "impact_hundredths is 0"),
        ("impact_entry SET breakdown = '{}'", "its breakdown is none"),
        ("impact_entry SET transfer_id = NULL", "a reward without an impact_entry"),
        ("assignment SET base_xp = 5000", "it is not what its assignment promised"),
        ("assignment SET status = 'VERIFIED'", "it is not what its assignment promised"),
        ("transfer SET amount_minor = 8 WHERE code = 'REWARD'", "does not pay it"),
        ("player SET xp = xp + 1", "is not the fold"),
        ("player SET level = 3", "is not the fold"),
    ):
        assert said in "".join(await spoilt(world, change)), change
    assert await found(world) == []


async def spoilt(world, change):
    """What the audit says of a change that is taken back again."""

    async def work(tx):
        savepoint = await tx.begin_nested()
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        for table, name in (("impact_entry", "transfer_if_paid"),):
            await tx.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}"))
        await tx.execute(text(f"UPDATE {change}"))
        checks = await check_impact(tx)
        await savepoint.rollback()
        return [check.broken for check in checks if check.broken]

    return await world.db.transaction(work)


async def signed(world, keys=None):
    return await world.db.transaction(partial(sign_credentials, keys=keys or world.keys))


async def test_badges_are_signed_once_and_verified_offline(world, tmp_path):
    rows = await world.rows(CREDENTIALS)
    assert len(rows) == 3 + 3 + 1  # everybody's first, each quest's first, the region's first
    assert await signed(world) == len(rows)
    rows = await world.rows(CREDENTIALS)
    assert await signed(world, ensure_note_keys(tmp_path / "later")) == 0
    assert await world.rows(CREDENTIALS) == rows
    (key,) = world.keys.public_keys
    for row in rows:
        said = verifier.check(row.credential, [bytes(32), key], 2**40)
        assert said["credentialSubject"]["id"] == f"urn:uuid:{row.player_id}"
        assert said["id"] == f"urn:uuid:{row.id}"
        assert said["issuer"]["id"] == did_key(key)
        assert "@mela.test" not in str(said)
    (tmp_path / "badge.jwt").write_text(rows[0].credential)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, SCRIPT, tmp_path / "badge.jwt", key.hex()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith(f"verified: urn:uuid:{rows[0].player_id} earned 'First deed' on ")


async def test_a_badge_that_was_changed_or_is_anothers_is_not_verified(world, tmp_path):
    await signed(world)
    token = (await world.rows(CREDENTIALS))[0].credential
    (key,) = world.keys.public_keys
    head, body, signature = token.split(".")
    claims = orjson.loads(base64.urlsafe_b64decode(body + "=="))
    claims["credentialSubject"]["achievement"]["name"] = "A thousand deeds"
    forged = base64.urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=").decode()
    (other,) = ensure_note_keys(tmp_path / "other").public_keys
    for bad, keys, now in (
        (f"{head}.{forged}.{signature}", [key], 2**40),
        (token, [other], 2**40),
        (token, [key], 0),
    ):
        with pytest.raises(ValueError, match=r"signed|valid"):
            verifier.check(bad, keys, now)


def test_a_key_is_named_as_the_did_key_method_does():
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    name = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
    assert did_key(key) == verifier.did_key(key) == name
