"""Leaves in commit order, once each, however many sequence at once; and proofs of them."""

import asyncio
from functools import partial

import pytest
from sqlalchemy.exc import DBAPIError

from core.database import Transaction
from core.errors import BadUserInput
from core.ids import new_id
from core.signing import KeyFileError, NoteKeys
from services.wallets.log import (
    LogBroken,
    Sequenced,
    newest_head,
    prove_consistency,
    prove_inclusion,
    sequence,
)
from services.wallets.merkle import check_consistency, check_inclusion, leaf_hash, root_of

LEAVES = "SELECT index, transfer_id, hash FROM ledger_leaf ORDER BY index"
FIRST_COLUMN = (
    "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum = 1"
)
TRANSFERS = "SELECT id FROM transfer ORDER BY transaction_id, row_id"


async def leaves_and_transfers(scratch):
    leaves = [row.transfer_id for row in await scratch.rows(LEAVES)]
    return leaves, [row.id for row in await scratch.rows(TRANSFERS)]


async def test_an_empty_ledger_has_no_head_and_proves_nothing(scratch):
    assert await scratch.sequence() == Sequenced()
    async with scratch.db.read() as session:
        assert await newest_head(session) is None
        assert await prove_inclusion(session, new_id()) is None
        with pytest.raises(BadUserInput, match="1 ≤ fromSize ≤ toSize ≤ 0"):
            await prove_consistency(session, 1, 1)


async def test_every_transfer_becomes_one_leaf_in_order_in_bounded_units(scratch):
    await scratch.fill(100)
    assert await scratch.sequence(30) == Sequenced(30, 30, more=True)
    await scratch.catch_up(30)
    leaves, transfers = await leaves_and_transfers(scratch)
    assert leaves == transfers
    assert len(leaves) >= 100
    again = await scratch.sequence(30)
    assert again == Sequenced(size=len(leaves))
    heads = await scratch.rows("SELECT size, root FROM ledger_tree_head ORDER BY size")
    assert [row.size for row in heads][:3] == [30, 60, 90]
    hashes = [row.hash for row in await scratch.rows(LEAVES)]
    for head in heads:
        assert head.root == root_of(hashes[: head.size])


async def test_a_transfer_waits_while_an_older_transaction_runs(scratch):
    users = [await scratch.account(await scratch.user(f"u{n}")) for n in range(2)]
    source = await scratch.system("EXTERNAL")
    async with Transaction(scratch.db.engine) as older:
        first = await scratch.write(older, "SINGLE", source, users[0], 5)
        other = await scratch.system("EXTERNAL", "EUR")
        person = await scratch.account(await scratch.user("u3"), "EUR")
        second = await scratch.move(other, person, 7, asset="EUR")
        # The younger transfer has committed; its place is not known while the older one runs.
        assert (await scratch.sequence(settled=False)).appended == 0
        await older.commit()
    assert (await scratch.sequence()).appended == 2
    leaves, _ = await leaves_and_transfers(scratch)
    assert leaves == [first, second]


async def test_many_sequencers_at_once_make_each_leaf_once(scratch, open_database, database_url):
    await scratch.fill(150)
    await scratch.settle()
    others = [scratch.db, *(open_database(database_url) for _ in range(3))]

    async def work(db):
        while True:
            done = await db.transaction(partial(sequence, keys=scratch.keys, limit=7))
            if not done.more and not done.busy:
                return
            await asyncio.sleep(0)

    await asyncio.gather(*(work(db) for db in others))
    leaves, transfers = await leaves_and_transfers(scratch)
    assert leaves == transfers


async def test_what_rolls_back_with_the_sequencer_leaves_nothing(scratch):
    await scratch.fill(30)

    async def fails(tx):
        await sequence(tx, scratch.keys)
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError):
        await scratch.db.transaction(fails)
    assert await scratch.rows(LEAVES) == []
    assert (await scratch.sequence()).appended >= 30


async def test_without_a_private_key_nothing_is_appended(scratch):
    await scratch.fill(25)
    blind = NoteKeys(None, scratch.keys.public_keys)
    await scratch.settle()
    with pytest.raises(KeyFileError):
        await scratch.db.transaction(partial(sequence, keys=blind))
    assert await scratch.rows(LEAVES) == []


async def test_a_log_with_a_hole_is_not_continued(scratch):
    await scratch.fill(40)
    await scratch.sequence(26)
    await scratch.run("ALTER TABLE ledger_node DISABLE TRIGGER ALL")
    await scratch.run("DELETE FROM ledger_node WHERE level = 4")
    with pytest.raises(LogBroken, match="node 0 of level 4 is missing"):
        await scratch.sequence()


@pytest.mark.parametrize(
    "table",
    [
        "ledger_leaf",
        "ledger_node",
        "ledger_tree_head",
        "ledger_account_seal",
        "ledger_attestation",
        "ledger_audit_mark",
    ],
)
async def test_the_log_only_grows(scratch, table):
    await scratch.fill(21)
    await scratch.sequence()
    before = await scratch.rows(f"SELECT * FROM {table}")
    column = (await scratch.rows(FIRST_COLUMN, table=table))[0].attname
    for statement in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(DBAPIError, match="only grows"):
            await scratch.run(statement)
    assert await scratch.rows(f"SELECT * FROM {table}") == before


async def test_proofs_lead_to_the_signed_head(scratch):
    await scratch.fill(60)
    await scratch.catch_up(17)
    async with scratch.db.read() as session:
        for row in await scratch.rows(LEAVES):
            proof = await prove_inclusion(session, row.transfer_id)
            assert proof.index == row.index
            assert leaf_hash(proof.leaf.encode()) == proof.leaf_hash == row.hash
            check_inclusion(row.hash, row.index, proof.head.size, proof.path, proof.head.root)
            assert scratch.keys.holds(proof.head.text, proof.head.signature)
        size = proof.head.size
        for old in range(1, size + 1):
            joined = await prove_consistency(session, old, size)
            assert joined.to_head == proof.head
            assert (joined.from_head is not None) == (old % 17 == 0 or old == size)
            if joined.from_head is not None:
                roots = joined.from_head.root, joined.to_head.root
                check_consistency(old, size, joined.path, *roots)


async def test_a_leaf_shows_neither_balances_nor_who_acted(scratch):
    account = await scratch.account(await scratch.user("u"))
    transfer = await scratch.move(await scratch.system("EXTERNAL"), account, 123)
    await scratch.sequence()
    async with scratch.db.read() as session:
        proof = await prove_inclusion(session, transfer)
    assert '"amount":"123"' in proof.leaf
    assert "Balance" not in proof.leaf
    actor = (await scratch.rows("SELECT actor_id FROM transfer"))[0].actor_id
    assert actor.hex not in proof.leaf


@pytest.mark.parametrize(("old", "new"), [(0, 1), (3, 2), (1, 10_000), (-1, 2)])
async def test_sizes_that_never_were_are_refused(scratch, old, new):
    await scratch.fill(21)
    await scratch.sequence()
    async with scratch.db.read() as session:
        with pytest.raises(BadUserInput):
            await prove_consistency(session, old, new)
