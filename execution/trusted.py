"""Documents that a request names instead of sending them: trusted documents from a manifest, and
the references by which requests name them. Texts that clients register are kept in
`execution/registered.py`; nothing here knows a transport."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from core.errors import BadUserInput, RequestError
from core.preflight import NotReady

APOLLO_FORMAT: Final = "apollo-persisted-query-manifest"
MAX_MANIFEST_BYTES: Final = 32 * 1024 * 1024
MAX_DOCUMENTS: Final = 10_000
HASH_PREFIX: Final = "sha256:"
"""How `documentId` names a document by the hash of its text."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")
PERSISTED: Final = "persistedQuery"


class TrustedDocumentsRefused(NotReady):
    """The manifest that MELA_TRUSTED_DOCUMENTS names cannot be used; the message says why."""


class DocumentNotFound(RequestError):
    """No document of that id or hash is known: the client sends the text with its hash."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")  # the words that Apollo's clients look for


class NothingRegistered(RequestError):
    """This server registers no texts: clients stop sending hashes."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


class NotTrusted(RequestError):
    """This server runs the documents of its manifest alone."""

    code = "TRUSTED_DOCUMENTS_ONLY"

    def __init__(self) -> None:
        super().__init__("this server runs its trusted documents alone: name one by its id")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Trusted documents: their texts by id, and by the SHA-256 of the text in hexadecimal."""

    by_id: Mapping[str, str] = field(default_factory=dict)
    by_hash: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        """The text of an id, of a hash, or of a hash after `sha256:`."""
        found = self.by_id.get(name)
        return found if found is not None else self.by_hash.get(name.removeprefix(HASH_PREFIX))


@dataclass(frozen=True, slots=True)
class Reference:
    """How a request names its document: by a hash, which a text may come with to be registered, or
    by an id of a manifest."""

    name: str
    is_hash: bool


def reference_of(
    query: str | None, extensions: Mapping[str, Any] | None, document_id: str | None
) -> Reference | None:
    """How the request names its document; None where it sends the text alone. Raises
    `BadUserInput` for a reference that is none, and for two documents in one request."""
    persisted = None if extensions is None else extensions.get(PERSISTED)
    if persisted is None and document_id is None:
        return None
    if document_id is not None:
        if query or persisted is not None:
            raise BadUserInput("documentId names the document: send no other beside it")
        name = document_id.removeprefix(HASH_PREFIX)
        return Reference(name if _HASH.fullmatch(name) else document_id, _is_hash(document_id))
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise BadUserInput("extensions.persistedQuery must be {version: 1, sha256Hash}")
    named = persisted.get("sha256Hash")
    if not isinstance(named, str) or not _HASH.fullmatch(named.lower()):
        raise BadUserInput("sha256Hash must be 64 hexadecimal digits")
    return Reference(named.lower(), True)


def _is_hash(document_id: str) -> bool:
    return _HASH.fullmatch(document_id.removeprefix(HASH_PREFIX)) is not None


def hash_of(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_hash(text: str, reference: Reference) -> None:
    """Raise `BadUserInput` where a text comes with another's hash."""
    if hash_of(text) != reference.name:
        raise BadUserInput("provided sha does not match query")  # Apollo's own words


def read_manifest(path: Path) -> Manifest:
    """The documents of a manifest in Apollo's format or Relay's. Raises `TrustedDocumentsRefused`
    where it cannot be read, is of another format, or has two documents of one id."""
    by_id: dict[str, str] = {}
    for id_, text in _entries(path, _loaded(path)):
        if by_id.setdefault(id_, text) != text:
            raise _refused(path, f"two documents have the id {id_[:100]}")
    if len(by_id) > MAX_DOCUMENTS:
        raise _refused(path, f"it has {len(by_id)} documents; the limit is {MAX_DOCUMENTS}")
    if not by_id:
        raise _refused(path, "it has no documents")
    return Manifest(by_id, {hash_of(text): text for text in by_id.values()})


def _loaded(path: Path) -> Any:
    try:
        size = path.stat().st_size
        if size > MAX_MANIFEST_BYTES:
            raise _refused(path, f"it has {size} bytes; the limit is {MAX_MANIFEST_BYTES}")
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise _refused(path, f"it cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise _refused(path, f"it is not JSON: {error}") from error


def _entries(path: Path, found: Any) -> Iterator[tuple[str, str]]:
    """Ids with texts. Relay's manifest is one object of them; Apollo's says what it is."""
    if not isinstance(found, dict):
        raise _refused(path, "it is neither Apollo's manifest nor Relay's: no JSON object")
    if "format" in found or "operations" in found:
        yield from _of_apollo(path, found)
        return
    for id_, text in found.items():
        if not isinstance(text, str) or not id_:
            raise _refused(path, f"{id_[:100]!r} must be the id of a text, as Relay writes it")
        yield id_, text


def _of_apollo(path: Path, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if found.get("format") != APOLLO_FORMAT or found.get("version") != 1:
        said = f"{found.get('format')!r} version {found.get('version')!r}"
        raise _refused(path, f"unknown format {said}; known is {APOLLO_FORMAT} version 1")
    operations = found.get("operations")
    if not isinstance(operations, list):
        raise _refused(path, "operations must be a list")
    for number, each in enumerate(operations):
        id_ = each.get("id") if isinstance(each, dict) else None
        text = each.get("body") if isinstance(each, dict) else None
        if not (isinstance(id_, str) and id_ and isinstance(text, str)):
            raise _refused(path, f"operations[{number}] must have id and body, both text")
        yield id_, text


def _refused(path: Path, why: str) -> TrustedDocumentsRefused:
    return TrustedDocumentsRefused(f"MELA_TRUSTED_DOCUMENTS={path}: {why}")
