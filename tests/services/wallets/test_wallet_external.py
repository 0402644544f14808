"""Linking outside addresses: real keys, real signatures, and what does not hold."""

import asyncio

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from sqlalchemy import text

from core.errors import InvalidInput, NotFound
from services.wallets.errors import AddressTaken, InvalidSignature
from services.wallets.external import (
    clean_address,
    create_challenge,
    link_wallet,
    unlink_wallet,
)

SITE = "https://mela.test"


def sign(account, message):
    return "0x" + account.sign_message(encode_defunct(text=message)).signature.hex()


@pytest.fixture
def ask(db):
    async def ask(user_id, address, *, chain_id=1, site_url=SITE):
        return await db.transaction(
            lambda tx: create_challenge(
                tx, user_id=user_id, address=address, chain_id=chain_id, site_url=site_url
            )
        )

    return ask


@pytest.fixture
def link(db):
    async def link(user_id, message, signature, *, site_url=SITE):
        return await link_wallet(
            db, user_id=user_id, message=message, signature=signature, site_url=site_url
        )

    return link


async def test_message_is_eip4361s(ask, money):
    key = Account.create()
    made = await ask(await money.user(), key.address, chain_id=137)
    lines = made.message.split("\n")
    assert lines[0] == "mela.test wants you to sign in with your Ethereum account:"
    assert lines[1:3] == [key.address, ""]
    assert lines[4:6] == ["", "URI: https://mela.test"]
    assert lines[6:9] == ["Version: 1", "Chain ID: 137", f"Nonce: {made.nonce}"]
    assert lines[10] == f"Expiration Time: {made.expires_at:%Y-%m-%dT%H:%M:%SZ}"


async def test_signed_challenge_links_the_address_and_its_chain(ask, link, money):
    ada, key = await money.user(), Account.create()
    challenge = await ask(ada, key.address.lower(), chain_id=137)
    await link(ada, challenge.message, sign(key, challenge.message))
    rows = await money.read("SELECT user_id, address, chain_id FROM linked_address")
    assert rows == [(ada, key.address, 137)]
    audited = await money.read("SELECT kind FROM security_event")
    assert audited == [("WALLET_LINKED",)]


async def test_one_user_links_several_addresses(ask, link, money):
    ada = await money.user()
    for _ in range(2):
        key = Account.create()
        challenge = await ask(ada, key.address)
        await link(ada, challenge.message, sign(key, challenge.message))
    assert await money.count("linked_address") == 2


async def test_nonce_works_once_whoever_races(ask, link, money):
    ada, key = await money.user(), Account.create()
    challenge = await ask(ada, key.address)
    signature = sign(key, challenge.message)
    tries = [link(ada, challenge.message, signature) for _ in range(4)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, InvalidSignature) for outcome in outcomes) == 3
    assert await money.count("linked_address") == 1


async def test_another_keys_signature_is_refused_and_leaves_the_nonce(ask, link, money):
    ada, key = await money.user(), Account.create()
    challenge = await ask(ada, key.address)
    with pytest.raises(InvalidSignature, match="another address"):
        await link(ada, challenge.message, sign(Account.create(), challenge.message))
    assert await money.count("linked_address") == 0
    await link(ada, challenge.message, sign(key, challenge.message))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mela.test wants", "evil.test wants"),
        ("Chain ID: 1", "Chain ID: 10"),
        ("URI: https://mela.test", "URI: https://evil.test"),
        ("This moves no money.", "This moves all money."),
        ("Version: 1", "Version: 2"),
        ("Expiration Time: 2", "Expiration Time: 3"),
    ],
)
async def test_message_that_was_changed_is_refused_though_well_signed(ask, link, money, old, new):
    ada, key = await money.user(), Account.create()
    message = (await ask(ada, key.address)).message.replace(old, new, 1)
    with pytest.raises(InvalidSignature, match="not the message"):
        await link(ada, message, sign(key, message))
    assert await money.count("linked_address") == 0


async def test_challenge_is_its_users_alone(ask, link, money):
    ada, ben, key = await money.user(), await money.user(), Account.create()
    challenge = await ask(ada, key.address)
    with pytest.raises(InvalidSignature):
        await link(ben, challenge.message, sign(key, challenge.message))


async def test_expired_challenge_is_refused(ask, link, money):
    ada, key = await money.user(), Account.create()
    challenge = await ask(ada, key.address)
    await money.do(text("UPDATE wallet_challenge SET expires_at = clock_timestamp()"))
    with pytest.raises(InvalidSignature, match="expired"):
        await link(ada, challenge.message, sign(key, challenge.message))


async def test_address_belongs_to_one_user(ask, link, money, db):
    ada, ben, key = await money.user(), await money.user(), Account.create()
    first, second = await ask(ada, key.address), await ask(ben, key.address)
    link_id = await link(ada, first.message, sign(key, first.message))
    with pytest.raises(AddressTaken):
        await link(ben, second.message, sign(key, second.message))
    with pytest.raises(NotFound):
        await db.transaction(lambda tx: unlink_wallet(tx, user_id=ben, link_id=link_id))
    await db.transaction(lambda tx: unlink_wallet(tx, user_id=ada, link_id=link_id))
    await link(ben, second.message, sign(key, second.message))


@pytest.mark.parametrize("signature", ["", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "zz" * 66])
async def test_what_is_no_signature_is_refused(ask, link, money, signature):
    ada, key = await money.user(), Account.create()
    challenge = await ask(ada, key.address)
    with pytest.raises(InvalidSignature):
        await link(ada, challenge.message, signature)


@pytest.mark.parametrize(
    "address",
    ["", "0x12", "0x" + "g" * 40, "1x" + "a" * 40, "0xd8Da6BF26964aF9D7eEd9e03E53415D37aA96045"],
)
def test_malformed_addresses_are_refused(address):
    with pytest.raises(InvalidInput):
        clean_address(address)


def test_addresses_get_their_checksum():
    given = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045"
    assert clean_address(given) == "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"


async def test_challenges_are_bounded(ask, money):
    ada, address = await money.user(), Account.create().address
    for _ in range(20):
        await ask(ada, address)
    with pytest.raises(InvalidInput):
        await ask(ada, address)
    with pytest.raises(InvalidInput):
        await ask(ada, address, chain_id=0)
