"""Outside addresses that somebody proved to be theirs, by a signed sign-in message (EIP-4361).

Only accounts with a key can sign so: a contract's signature (EIP-1271) takes a node to check.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.database import Database, Transaction, database_now, violated_constraint
from core.errors import InvalidInput, NotFound
from core.ids import new_id
from services.users.audit import audit
from services.wallets.errors import AddressTaken, InvalidSignature

CHALLENGE_TTL = timedelta(minutes=10)
CHALLENGES_MAX = 20
"""Challenges of one person that can be answered at a time."""
ADDRESSES_MAX = 20
CHAIN_MAX = 2**53 - 1
MESSAGE_MAX = 2_000
STATEMENT = "Link this address to your Mela account. This moves no money."

_NONCE_LINE = re.compile(r"^Nonce: ([0-9A-Za-z]{8,64})$", re.MULTILINE)
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")

_FORGET = text(
    "DELETE FROM wallet_challenge WHERE user_id = :user_id AND expires_at < clock_timestamp()"
)
_COUNT = text("SELECT count(*) FROM wallet_challenge WHERE user_id = :user_id")
_INSERT = text(
    """
    INSERT INTO wallet_challenge (id, user_id, address, chain_id, nonce, issued_at, expires_at)
    VALUES (:id, :user_id, :address, :chain_id, :nonce, :issued_at, :expires_at)
    """
)
# The row lock makes the nonce a one-time one, whoever races.
_USE = text(
    """
    UPDATE wallet_challenge SET used_at = clock_timestamp()
    WHERE nonce = :nonce AND user_id = :user_id AND used_at IS NULL
      AND expires_at > clock_timestamp()
    RETURNING address, chain_id, nonce, issued_at, expires_at
    """
)
# Links of one person take turns, so that their number stays bounded.
_LOCK_USER = text("SELECT FROM user_account WHERE id = :user_id FOR NO KEY UPDATE")
_LINKED = text("SELECT count(*) FROM linked_address WHERE user_id = :user_id")
_LINK = text(
    "INSERT INTO linked_address (id, user_id, address, chain_id)"
    " VALUES (:id, :user_id, :address, :chain_id)"
)
_UNLINK = text("DELETE FROM linked_address WHERE id = :id AND user_id = :user_id")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A message to sign, and until when."""

    message: str
    nonce: str
    expires_at: datetime


def clean_address(address: str) -> str:
    """An address in its mixed-case form (EIP-55). Raises `InvalidInput("address")`, also where the
    given case does not match the address."""
    if len(address) != 42 or not address.startswith("0x") or not is_hex_address(address):
        raise InvalidInput("address", "not an address: 0x and 40 hex digits")
    one_case = address[2:] in (address[2:].lower(), address[2:].upper())
    if not one_case and not is_checksum_address(address):
        raise InvalidInput("address", "its upper and lower case letters do not match (EIP-55)")
    return str(to_checksum_address(address))


def sign_in_message(
    *,
    site_url: str,
    address: str,
    chain_id: int,
    nonce: str,
    issued_at: datetime,
    expires_at: datetime,
) -> str:
    """The message of EIP-4361 for these values, byte by byte."""
    return (
        f"{urlsplit(site_url).netloc} wants you to sign in with your Ethereum account:\n"
        f"{address}\n\n{STATEMENT}\n\n"
        f"URI: {site_url}\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\n"
        f"Issued At: {_stamp(issued_at)}\nExpiration Time: {_stamp(expires_at)}"
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def create_challenge(
    tx: Transaction, *, user_id: UUID, address: str, chain_id: int, site_url: str
) -> Challenge:
    """A message with a nonce that works once, within ten minutes, for this user, address and chain.
    Raises `InvalidInput` for `address` and `chainId`, or where 20 challenges stand open."""
    checked = clean_address(address)
    if not 0 < chain_id <= CHAIN_MAX:
        raise InvalidInput("chainId", f"1 to {CHAIN_MAX}")
    await tx.execute(_LOCK_USER, {"user_id": user_id})
    await tx.execute(_FORGET, {"user_id": user_id})
    if (await tx.execute(_COUNT, {"user_id": user_id})).scalar_one() >= CHALLENGES_MAX:
        raise InvalidInput("address", f"{CHALLENGES_MAX} challenges are open: wait ten minutes")
    issued_at = (await database_now(tx)).replace(microsecond=0)
    values: dict[str, Any] = {
        "address": checked,
        "chain_id": chain_id,
        "nonce": secrets.token_hex(16),
        "issued_at": issued_at,
        "expires_at": issued_at + CHALLENGE_TTL,
    }
    await tx.execute(_INSERT, {"id": new_id(), "user_id": user_id, **values})
    message = sign_in_message(site_url=site_url, **values)
    return Challenge(message, values["nonce"], values["expires_at"])


async def link_wallet(
    db: Database, *, user_id: UUID, message: str, signature: str, site_url: str
) -> UUID:
    """Link the address that signed the challenge; the link's id. Raises `InvalidSignature`,
    `AddressTaken`, `InvalidInput` past 20 addresses."""
    nonce = _NONCE_LINE.search(message[:MESSAGE_MAX])
    if nonce is None:
        raise InvalidSignature("not the message of a challenge")
    # Takes milliseconds of computing, so neither in the event loop nor in a transaction.
    signer = await asyncio.to_thread(recover_signer, message, signature)

    async def work(tx: Transaction) -> UUID:
        await tx.execute(_LOCK_USER, {"user_id": user_id})
        used = await tx.execute(_USE, {"nonce": nonce[1], "user_id": user_id})
        row = used.one_or_none()
        if row is None:
            raise InvalidSignature("its nonce was used, has expired, or is not yours")
        # What was signed is what was asked for: domain, chain, dates and all.
        if message != sign_in_message(site_url=site_url, **row._mapping):
            raise InvalidSignature("not the message of the challenge")
        if signer != row.address:
            raise InvalidSignature("another address has signed")
        return await _link(tx, user_id, row.address, row.chain_id)

    return await db.transaction(work)


def recover_signer(message: str, signature: str) -> str:
    """The address whose key signed `message` (EIP-191). Raises `InvalidSignature`."""
    if len(message) > MESSAGE_MAX or _SIGNATURE.fullmatch(signature) is None:
        raise InvalidSignature("not 65 bytes in hex, or the message is too long")
    try:
        return str(Account.recover_message(encode_defunct(text=message), signature=signature))
    except Exception as error:
        # The library and those below it raise errors of several unrelated classes.
        raise InvalidSignature("it is no point on the curve") from error


async def _link(tx: Transaction, user_id: UUID, address: str, chain_id: int) -> UUID:
    if (await tx.execute(_LINKED, {"user_id": user_id})).scalar_one() >= ADDRESSES_MAX:
        raise InvalidInput("address", f"{ADDRESSES_MAX} addresses at most")
    link_id = new_id()
    row = {"id": link_id, "user_id": user_id, "address": address, "chain_id": chain_id}
    try:
        await tx.execute(_LINK, row)
    except IntegrityError as error:
        if violated_constraint(error) == "uq_linked_address_address":
            raise AddressTaken(address) from error
        raise
    details = {"link": link_id.hex, "chainId": chain_id}
    await audit(tx, "WALLET_LINKED", user_id=user_id, actor_id=user_id, details=details)
    return link_id


async def unlink_wallet(tx: Transaction, *, user_id: UUID, link_id: UUID) -> None:
    """Forget an address of one's own. Raises `NotFound`."""
    gone: Any = await tx.execute(_UNLINK, {"id": link_id, "user_id": user_id})
    if gone.rowcount != 1:
        raise NotFound("linked address")
    details = {"link": link_id.hex}
    await audit(tx, "WALLET_UNLINKED", user_id=user_id, actor_id=user_id, details=details)
