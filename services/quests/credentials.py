"""Open Badges 3.0: what was earned as a credential (VC-JWT), signed once with the audit key.

`docs/verify_badge.py` verifies one with nothing of Mela at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import text

from core.database import Transaction
from core.signing import NoteKeys
from core.tokens import KeyFileError, sign_jwt

CONTEXTS: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
)
ISSUER: Final = "Mela"
BATCH: Final = 100

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_KEY = b"\xed\x01"
"""What did:key writes before an Ed25519 key (multicodec)."""

_WAITING = text(
    """
    SELECT a.id, a.player_id, a.earned_at, a.impact_entry_id, b.slug, b.name, b.description, b.rule
    FROM achievement AS a JOIN badge AS b ON b.slug = a.badge_slug
    WHERE a.credential IS NULL ORDER BY a.id LIMIT :limit FOR UPDATE OF a SKIP LOCKED
    """
)
_KEEP = text(
    """
    UPDATE achievement AS a SET credential = s.credential
    FROM unnest(CAST(:ids AS uuid[]), CAST(:signed AS text[])) AS s(id, credential)
    WHERE a.id = s.id
    """
)


async def sign_credentials(tx: Transaction, keys: NoteKeys, *, limit: int = BATCH) -> int:
    """Sign the credentials of achievements that have none, at most `limit`; how many. What is
    signed stays as it is when keys change. Raises `KeyFileError` without a private key."""
    rows = (await tx.execute(_WAITING, {"limit": limit})).all()
    if rows:
        signed = [sign_credential(row, keys) for row in rows]
        await tx.execute(_KEEP, {"ids": [row.id for row in rows], "signed": signed})
    return len(rows)


def sign_credential(row: Any, keys: NoteKeys) -> str:
    """One achievement's credential; `row` has the columns of `_WAITING`. Raises `KeyFileError`."""
    if keys.signer is None:
        raise KeyFileError("the ring has no Ed25519 private key to sign with")
    issuer = did_key(keys.signer.public_key().public_bytes_raw())
    claims = credential(row, issuer)
    claims |= {
        "iss": issuer,
        "jti": claims["id"],
        "sub": claims["credentialSubject"]["id"],
        "nbf": int(row.earned_at.timestamp()),
    }
    pem = keys.signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return sign_jwt(pem, claims, key_id=f"{issuer}#{issuer.removeprefix('did:key:')}")


def credential(row: Any, issuer: str) -> dict[str, Any]:
    """An OpenBadgeCredential, without its proof. It names the player by id alone."""
    achievement: Mapping[str, object] = {
        "id": f"urn:mela:badge:{row.slug}",
        "type": ["Achievement"],
        "name": row.name,
        "description": row.description,
        "criteria": {"narrative": row.description},
        "achievementType": "Badge",
    }
    found: dict[str, Any] = {
        "@context": list(CONTEXTS),
        "id": f"urn:uuid:{row.id}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": row.name,
        "issuer": {"id": issuer, "type": ["Profile"], "name": ISSUER},
        "validFrom": _moment(row.earned_at),
        "credentialSubject": {
            "id": f"urn:uuid:{row.player_id}",
            "type": ["AchievementSubject"],
            "achievement": achievement,
        },
    }
    if row.impact_entry_id is not None:
        evidence = {"id": f"urn:uuid:{row.impact_entry_id}", "type": ["Evidence"]}
        found["evidence"] = [{**evidence, "name": "The impact entry, in the ledger's log"}]
    return found


def did_key(public_key: bytes) -> str:
    """A key as a name that says the key: `did:key:z6Mk…`."""
    data = _ED25519_KEY + public_key
    number, said = int.from_bytes(data), ""
    while number:
        number, rest = divmod(number, 58)
        said = _BASE58[rest] + said
    return f"did:key:z{said}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
