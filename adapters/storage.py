"""Where files are kept: a folder of this machine, or an object store (S3, Google, Azure), by one
library (ADR 24). Keys are checked here again, whoever made them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from core.files import checked_file_key
from core.preflight import StorageNotReady

CHUNK_BYTES = 256 * 1024
SCHEMES = ("file", "s3", "gs", "az")


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """Files in one of obstore's stores; `folder` where that is a folder of this machine."""

    store: ObjectStore
    folder: Path | None = None

    async def put(self, key: str, content: IO[bytes]) -> None:
        """Written beside and renamed (large files to a bucket: in parts, then completed)."""
        path = checked_file_key(key)
        content.seek(0)
        await obstore.put_async(self.store, path, content)
        if self.folder is not None:
            await asyncio.to_thread(_settle, self.folder / path)

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """In pieces of 256 KiB and more. Raises `FileNotFoundError`."""
        found = await obstore.get_async(self.store, checked_file_key(key))
        return _pieces(found)

    async def delete(self, key: str) -> None:
        """Again and again without harm."""
        with suppress(FileNotFoundError):
            await obstore.delete_async(self.store, checked_file_key(key))

    async def exists(self, key: str) -> bool:
        """By the store's word, not by a cache."""
        try:
            await obstore.head_async(self.store, checked_file_key(key))
        except FileNotFoundError:
            return False
        return True


def open_storage(url: str | None, *, folder: Path) -> ObjectStorage:
    """The storage at `url`; without one, `folder` of this machine, which is made when needed,
    closed to all but its owner. Credentials come from the variables that each provider knows
    (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …). Raises `StorageNotReady` for another scheme, a
    folder that cannot be made, and what the provider's settings lack; no provider is asked yet.
    """
    parts = urlsplit(url or "")
    if url is None or parts.scheme == "file":
        return _folder(folder if url is None else Path(unquote(parts.path)))
    if parts.scheme not in SCHEMES:
        raise StorageNotReady(f"MELA_STORAGE_URL: one of {', '.join(SCHEMES)}")
    try:
        return ObjectStorage(from_url(url))
    except (BaseError, ValueError) as error:
        # The rest of its words are the library's own structures.
        raise StorageNotReady(f"MELA_STORAGE_URL: {str(error).splitlines()[0]}") from None


def _folder(path: Path) -> ObjectStorage:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ObjectStorage(LocalStore(path), path)
    except (BaseError, OSError) as error:
        raise StorageNotReady(f"files cannot be kept in {path}: {error}") from None


async def _pieces(found: obstore.GetResult) -> AsyncIterator[bytes]:
    async for piece in found.stream(min_chunk_size=CHUNK_BYTES):
        yield bytes(piece)


def _settle(path: Path) -> None:
    """For our eyes alone, and on the disk before a row says that it is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
