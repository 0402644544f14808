"""Signed notes (C2SP): short texts signed with Ed25519 keys kept as files. Knows no domain.

The keys of a folder are a ring: the last private one by name signs, all verify. A retired key may
stay as its public half alone.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from core.tokens import KeyFileError, ensure_keys, key_files

_ED25519 = b"\x01"
"""The signature type of a note's key id."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature and the public key (32 bytes) that it was made for."""

    public_key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class NoteKeys:
    """A ring of keys. Without a private one it verifies only."""

    signer: Ed25519PrivateKey | None
    public_keys: frozenset[bytes]

    def sign(self, text: str) -> Signature:
        """Sign with the newest key. Raises `KeyFileError` if the ring has public keys alone."""
        if self.signer is None:
            raise KeyFileError("the ring has no Ed25519 private key to sign with")
        return Signature(
            self.signer.public_key().public_bytes_raw(), self.signer.sign(text.encode())
        )

    def holds(self, text: str, signature: Signature) -> bool:
        """Whether a key of this ring signed exactly this text."""
        if signature.public_key not in self.public_keys:
            return False
        try:
            key = Ed25519PublicKey.from_public_bytes(signature.public_key)
            key.verify(signature.value, text.encode())
        except InvalidSignature:
            return False
        return True


def read_note_keys(directory: Path) -> NoteKeys:
    """The ring of a folder. Raises `KeyFileError` for a file that is no Ed25519 key, or none."""
    public: set[bytes] = set()
    signer: Ed25519PrivateKey | None = None
    for path in key_files(directory):
        key = _read(path)
        if isinstance(key, Ed25519PrivateKey):
            signer = key
            key = key.public_key()
        public.add(key.public_bytes_raw())
    if not public:
        raise KeyFileError(f"{directory} holds no Ed25519 key (*.pem)")
    return NoteKeys(signer, frozenset(public))


def ensure_note_keys(directory: Path) -> NoteKeys:
    """The ring of a folder, which is made with a first key if it has none."""
    if not key_files(directory):
        ensure_keys(directory, "EdDSA")
    return read_note_keys(directory)


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes by which a note's signature line names its key."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def note(text: str, name: str, signature: Signature) -> str:
    """A signed note. `text` ends in a newline and has no empty line."""
    encoded = base64.b64encode(key_id(name, signature.public_key) + signature.value).decode()
    return f"{text}\n\N{EM DASH} {name} {encoded}\n"


def _read(path: Path) -> Ed25519PrivateKey | Ed25519PublicKey:
    try:
        pem = path.read_bytes()
        private = b"PRIVATE KEY" in pem
        key = load_pem_private_key(pem, None) if private else load_pem_public_key(pem)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{path}: not an unencrypted PEM key ({error})") from None
    if not isinstance(key, (Ed25519PrivateKey, Ed25519PublicKey)):
        raise KeyFileError(f"{path}: not an Ed25519 key")
    return key
