"""Access tokens: the ring of signing keys, and JWTs signed and verified with it. Knows no user."""

from __future__ import annotations

import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from core.errors import Unauthenticated
from core.ids import new_id

log = structlog.get_logger(__name__)

Algorithm = Literal["RS256", "ES256", "EdDSA"]

RSA_BITS = 2048
TOKEN_MAX_CHARS = 4_096
VERIFIED_MAX = 10_000
"""Verified tokens remembered: about 10 MB at most."""

CLOCK_SKEW_S = 5
"""How far ahead the clock of the server that signed may be."""

LOOK_EVERY_S = 1.0
"""Pause between looks for new or withdrawn key files."""

_CLAIMS: Mapping[str, type] = {
    "iss": str,
    "aud": str,
    "sub": str,
    "sid": str,
    "jti": str,
    "scope": str,
    "tier": str,
    "iat": int,
    "nbf": int,
    "exp": int,
}


class KeyFileError(RuntimeError):
    """A signing key cannot be used; the message names the file and says why."""


class _QuietEdDSA(EdDSAAlgorithm):
    # RFC 9864 renames EdDSA to Ed25519; gateways and browsers still know only the old name.
    security_warning = ""


class _Registry(JWSRegistry):
    algorithms = {**JWSRegistry.algorithms, "EdDSA": _QuietEdDSA()}  # noqa: RUF012


_REGISTRY = _Registry(algorithms=["RS256", "ES256", "EdDSA"])


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Who signs, for whom, and for how long."""

    issuer: str = "mela"
    audience: str = "mela"
    lifetime_s: int = 15 * 60


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, and what its holder need not parse it for."""

    token: str
    token_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. Times are seconds since 1970."""

    issuer: str
    audience: str
    subject: str
    session_id: str
    token_id: str
    scopes: frozenset[str]
    tier: str
    issued_at: int
    not_before: int
    expires_at: int


class KeyRing:
    """The PEM private keys of a folder: the last by name signs, all verify.

    The order is that of the names, not of the files' dates, so that replicas which each got their
    own copy agree. Files that come or go are noticed within a second; a token that names an unknown
    key makes it look at once, so a key that another process added is found before it is needed.
    """

    def __init__(self, directory: Path, algorithm: Algorithm = "RS256") -> None:
        """Raises `KeyFileError` if a file is no usable key or none is of `algorithm`."""
        self.directory = directory
        self.algorithm = algorithm
        self._verified: OrderedDict[str, Claims] = OrderedDict()
        self._loaded: tuple[tuple[str, int], ...] = ()
        self._load(self._stamp())

    def signing_key(self) -> Key:
        """The key that signs now."""
        self._look()
        return self._signing

    def verification_keys(self) -> KeySet:
        """Every key of the ring, found by `kid`, the RFC 7638 thumbprint."""
        self._look()
        return self._keys

    def jwks(self) -> dict[str, object]:
        """The public halves as a JSON Web Key Set (RFC 7517), the signing key first."""
        self._look()
        public = [
            {**key.as_dict(private=False), "use": "sig", "alg": algorithm_of(key)}
            for key in self._keys
        ]
        return {"keys": public}

    def reload(self) -> bool:
        """Read the folder again if it changed; whether it did."""
        self._looked = time.monotonic()
        stamp = self._stamp()
        if stamp == self._loaded:
            return False
        try:
            self._load(stamp)
        except KeyFileError as error:
            self._loaded = stamp
            log.error("signing_keys_not_reloaded", reason=str(error))
            return False
        log.info("signing_keys_reloaded", kids=[key.kid for key in self._keys])
        return True

    def recall(self, token: str) -> Claims | None:
        """The claims of a token that was verified before with a key that is still in the ring."""
        self._look()
        claims = self._verified.get(token)
        if claims is not None:
            self._verified.move_to_end(token)
        return claims

    def remember(self, token: str, claims: Claims) -> None:
        """Keep a verified token; the least recently used one makes room."""
        self._verified[token] = claims
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)

    def forget(self, token: str) -> None:
        """Drop a token that has expired."""
        self._verified.pop(token, None)

    def _look(self) -> None:
        if time.monotonic() - self._looked > LOOK_EVERY_S:
            self.reload()

    def _stamp(self) -> tuple[tuple[str, int], ...]:
        return tuple((path.name, path.stat().st_mtime_ns) for path in key_files(self.directory))

    def _load(self, stamp: tuple[tuple[str, int], ...]) -> None:
        keys = [_read_key(self.directory / name) for name, _ in reversed(stamp)]
        signing = [key for key in keys if algorithm_of(key) == self.algorithm]
        if not signing:
            raise KeyFileError(f"{self.directory} holds no {self.algorithm} private key (*.pem)")
        self._signing = signing[0]
        self._keys = KeySet([signing[0], *(key for key in keys if key is not signing[0])])
        # A withdrawn key must verify nothing any more, not even what it verified a moment ago.
        self._verified.clear()
        self._loaded = stamp
        self._looked = time.monotonic()


def key_files(directory: Path) -> list[Path]:
    """The key files of a folder in the order of their names; the last is the newest."""
    return sorted(directory.glob("*.pem"))


def algorithm_of(key: Key) -> Algorithm:
    """The one algorithm that this type of key is used with here."""
    return "RS256" if isinstance(key, RSAKey) else "ES256" if isinstance(key, ECKey) else "EdDSA"


def ensure_keys(directory: Path, algorithm: Algorithm = "RS256") -> KeyRing:
    """The ring of a folder, which is made with a first key if it has none of `algorithm`.

    Processes that start at once agree on one key: the first to link its file wins.
    Raises `KeyFileError` if a file there is no usable key.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(algorithm_of(_read_key(path)) == algorithm for path in key_files(directory)):
        _write_key(directory / _key_name(1, algorithm), algorithm)
    return KeyRing(directory, algorithm)


def add_key(directory: Path, algorithm: Algorithm = "RS256") -> Path:
    """Rotate: add a key that signs from now on; the older ones go on verifying."""
    newest = key_files(directory)[-1].name if key_files(directory) else "0000"
    number = int(newest[:4]) + 1 if newest[:4].isdigit() else 1
    while not _write_key(path := directory / _key_name(number, algorithm), algorithm):
        number += 1
    return path


def issue_access_token(
    ring: KeyRing,
    policy: TokenPolicy,
    *,
    subject: str,
    session_id: str,
    scopes: Iterable[str],
    tier: str,
    now: datetime,
) -> AccessToken:
    """Sign a token for `policy.lifetime_s` from `now`. It never carries an e-mail address."""
    key = ring.signing_key()
    issued_at = int(now.timestamp())
    token_id = new_id().hex
    claims = {
        "iss": policy.issuer,
        "aud": policy.audience,
        "sub": subject,
        "sid": session_id,
        "jti": token_id,
        "scope": " ".join(sorted(scopes)),
        "tier": tier,
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + policy.lifetime_s,
    }
    header = {"alg": algorithm_of(key), "kid": key.kid}
    token = jwt.encode(header, claims, key, registry=_REGISTRY)
    expires_at = datetime.fromtimestamp(issued_at, UTC) + timedelta(seconds=policy.lifetime_s)
    return AccessToken(token, token_id, expires_at)


def verify_access_token(ring: KeyRing, policy: TokenPolicy, token: str, *, now: datetime) -> Claims:
    """The claims of a token that this ring signed for this policy and that holds at `now`.

    Raises `Unauthenticated`: TOKEN_EXPIRED, or INVALID for everything else. A token seen before
    costs a look in a dictionary; whether its session was revoked is the caller's to ask.
    """
    claims = ring.recall(token)
    if claims is None:
        claims = _verify(ring, token)
        ring.remember(token, claims)
    if claims.issuer != policy.issuer or claims.audience != policy.audience:
        raise _invalid()
    seconds = now.timestamp()
    if seconds >= claims.expires_at:
        ring.forget(token)
        raise Unauthenticated("TOKEN_EXPIRED", "the access token has expired")
    if seconds < claims.not_before - CLOCK_SKEW_S:
        raise _invalid()
    return claims


def sign_claims(ring: KeyRing, claims: Mapping[str, object]) -> str:
    """A JWT of other claims than an access token's. Its `aud` must be another than theirs."""
    key = ring.signing_key()
    header = {"alg": algorithm_of(key), "kid": key.kid}
    return jwt.encode(header, dict(claims), key, registry=_REGISTRY)


def read_claims(ring: KeyRing, token: str) -> dict[str, Any]:
    """The claims that a key of the ring signed; no claim is judged. Raises `ValueError`."""
    if len(token) > TOKEN_MAX_CHARS or not token.isascii():
        raise ValueError("not a token")
    ring.reload()  # costs a look at the folder; another process may have added a key
    try:
        return jwt.decode(token, ring.verification_keys(), registry=_REGISTRY).claims
    except (JoseError, ValueError, TypeError):
        raise ValueError("not signed by us") from None


def _verify(ring: KeyRing, token: str) -> Claims:
    if len(token) > TOKEN_MAX_CHARS or not token.isascii():
        raise _invalid()
    try:
        return _decode(ring, token)
    except (JoseError, ValueError, TypeError):
        # The key may have been added by another process a moment ago.
        if not ring.reload():
            raise _invalid() from None
    try:
        return _decode(ring, token)
    except (JoseError, ValueError, TypeError):
        raise _invalid() from None


def _decode(ring: KeyRing, token: str) -> Claims:
    decoded = jwt.decode(token, ring.verification_keys(), registry=_REGISTRY)
    claims = decoded.claims
    for name, kind in _CLAIMS.items():
        if type(claims.get(name)) is not kind:
            raise ValueError(f"claim {name}")
    return Claims(
        issuer=claims["iss"],
        audience=claims["aud"],
        subject=claims["sub"],
        session_id=claims["sid"],
        token_id=claims["jti"],
        scopes=frozenset(claims["scope"].split()),
        tier=claims["tier"],
        issued_at=claims["iat"],
        not_before=claims["nbf"],
        expires_at=claims["exp"],
    )


def _invalid() -> Unauthenticated:
    return Unauthenticated("INVALID", "the access token is not valid")


def _read_key(path: Path) -> Key:
    try:
        pem = path.read_bytes()
        native = load_pem_private_key(pem, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: not an unencrypted PEM private key ({error})") from None
    if isinstance(native, RSAPrivateKey) and native.key_size >= RSA_BITS:
        return RSAKey.import_key(pem)
    if isinstance(native, EllipticCurvePrivateKey) and isinstance(native.curve, SECP256R1):
        return ECKey.import_key(pem)
    if isinstance(native, Ed25519PrivateKey):
        return OKPKey.import_key(pem)
    raise KeyFileError(f"{path}: not RSA of {RSA_BITS} bits or more, P-256 or Ed25519")


def _key_name(number: int, algorithm: Algorithm) -> str:
    return f"{number:04d}-{algorithm.lower()}.pem"


def _write_key(path: Path, algorithm: Algorithm) -> bool:
    """Make a key file that only we can read, whole or not at all; False if it is there already."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_generate(algorithm).as_pem(private=True))
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _generate(algorithm: Algorithm) -> RSAKey | ECKey | OKPKey:
    if algorithm == "RS256":
        return RSAKey.generate_key(RSA_BITS)
    if algorithm == "ES256":
        return ECKey.generate_key("P-256")
    return OKPKey.generate_key("Ed25519")


def sign_jwt(private_pem: bytes, claims: Mapping[str, object], *, key_id: str) -> str:
    """A JWT of any claims, signed by an Ed25519 key whose public half its header carries as `jwk`.
    Knows nothing of rings: for what must be verified long after, and elsewhere."""
    key = OKPKey.import_key(private_pem)
    header = {"alg": "EdDSA", "kid": key_id, "jwk": key.as_dict(private=False)}
    return jwt.encode(header, dict(claims), key, registry=_REGISTRY)
