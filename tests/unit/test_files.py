"""What a file is by its bytes and is called without harm; where files are kept; signed links."""

import asyncio
import io
import os
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore, S3Store

from adapters.storage import ObjectStorage, open_storage
from core.clock import utc_now
from core.errors import Unauthenticated
from core.files import (
    NAME_MAX,
    checked_file_key,
    clean_file_name,
    digest_of,
    media_type_of,
    new_file_key,
)
from core.links import LinkRefused, read_link, sign_link
from core.preflight import StorageNotReady
from core.tokens import TokenPolicy, ensure_keys, issue_access_token, verify_access_token
from web.downloads import attachment


def archive(name="a.txt", content=b"hello"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20), "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1" + bytes(20), "image/jpeg"),
        (archive(), "application/zip"),
        (b"ID3\4\0\0\0\0\0\0" + bytes(40), "audio/mpeg"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2mp41", "video/mp4"),
        ("just words, sévères\n".encode(), "text/plain"),
        (("é" * 40_000).encode(), "text/plain"),
        (b"<!doctype html><html><script>", "text/html"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "image/svg+xml"),
        (b"", None),
        (bytes(100), None),
        (b"\x81\xfd plain", None),
    ],
)
def test_a_file_is_what_its_bytes_say(content, media_type):
    assert media_type_of(io.BytesIO(content)) == media_type


@pytest.mark.parametrize("head", [b"\x7fELF\2\1\1" + bytes(50), b"MZ\x90\0\3\0\0\0" + bytes(60)])
def test_programs_are_no_files_for_sale(head):
    from services.auctions.product_files import MEDIA_TYPES

    assert media_type_of(io.BytesIO(head)) not in MEDIA_TYPES
    assert {"text/html", "image/svg+xml", None, ""}.isdisjoint(MEDIA_TYPES)
    assert all(kind.count("/") == 1 for kind in MEDIA_TYPES)
    assert "application/vnd.openxmlformats-officedocument.wordprocessingml.document" in MEDIA_TYPES


@pytest.mark.parametrize(
    ("given_name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\boot\\..\\x.pdf", "x.pdf"),
        ("a\0b\r\nSet-Cookie: x.pdf", "abSet-Cookie: x.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ("..", "file"),
        ("", "file"),
        ("///", "file"),
        ("Töpfe.pdf", "Töpfe.pdf"),
        ("x" * 300 + ".pdf", "x" * (NAME_MAX - 4) + ".pdf"),
    ],
)
def test_names_lose_what_could_harm(given_name, clean):
    assert clean_file_name(given_name) == clean


@given(st.text(max_size=400))
def test_a_clean_name_is_safe_in_a_header_and_in_a_folder(given_name):
    clean = clean_file_name(given_name)
    header = attachment(clean)
    assert 1 <= len(clean) <= NAME_MAX
    assert clean not in (".", "..")
    assert not {"/", "\\", "\0", "\r", "\n"} & set(clean)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert clean_file_name(clean) == clean


def test_keys_are_of_our_making_alone():
    key = new_file_key("products")
    assert checked_file_key(key) == key
    assert new_file_key("products") != key
    for bad in (
        "../x",
        "products/../x",
        "/etc/passwd",
        "products/" + "g" * 32,
        key + "/x",
        "",
        "x",
    ):
        with pytest.raises(ValueError, match="not a key"):
            checked_file_key(bad)
    with pytest.raises(ValueError, match="not a kind"):
        new_file_key("../up")


async def pieces_of(storage, key):
    return b"".join([piece async for piece in await storage.get(key)])


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 10, 12_000_000])
async def test_a_folder_keeps_files_whole_and_for_its_owner_alone(tmp_path, size):
    folder = tmp_path / "with a blank" / "files"
    storage = open_storage(None, folder=folder)
    key, content = new_file_key("products"), os.urandom(size)
    with tempfile.SpooledTemporaryFile(max_size=100) as file:
        file.write(content)
        await storage.put(key, file)
    assert await pieces_of(storage, key) == content
    [path] = files_in(folder)
    assert path == folder / key
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert await storage.exists(key)
    await storage.delete(key)
    await storage.delete(key)
    assert not await storage.exists(key)
    assert files_in(folder) == []


async def test_what_breaks_off_leaves_nothing(tmp_path):
    class Broken(io.BytesIO):
        read_so_far = 0

        def read(self, size=-1):
            self.read_so_far += 1
            if self.read_so_far > 2:
                raise OSError("the disk is gone")
            return super().read(size)

    storage = open_storage(f"file://{tmp_path}/files", folder=tmp_path / "other")
    with pytest.raises(OSError, match="the disk is gone"):
        await storage.put(new_file_key("products"), Broken(bytes(20_000_000)))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "products/../../x", "a\0b", "products"])
async def test_no_other_key_is_taken(tmp_path, key):
    storage = open_storage(None, folder=tmp_path / "files")
    for work in (
        storage.put(key, io.BytesIO(b"x")),
        storage.get(key),
        storage.delete(key),
        storage.exists(key),
    ):
        with pytest.raises(ValueError, match="not a key"):
            await work
    assert files_in(tmp_path) == []


async def test_what_is_not_there_is_missed_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        await open_storage(None, folder=tmp_path).get(new_file_key("products"))


async def test_an_object_store_is_used_alike():
    storage = ObjectStorage(MemoryStore())
    key = new_file_key("products")
    await storage.put(key, io.BytesIO(b"abc"))
    await storage.put(key, io.BytesIO(b"abcd"))
    assert (await pieces_of(storage, key), await storage.exists(key)) == (b"abcd", True)
    await storage.delete(key)
    assert not await storage.exists(key)


def test_urls_choose_the_store(tmp_path):
    made = open_storage("s3://bucket/prefix", folder=tmp_path / "files")
    assert isinstance(made.store, S3Store)
    assert made.folder is None
    assert not (tmp_path / "files").exists()
    assert open_storage(f"file://{tmp_path}/a%20b", folder=tmp_path).folder == tmp_path / "a b"
    for url in ("ftp://host/x", "https://host/x", "memory:///", "s3://", "az://x"):
        with pytest.raises(StorageNotReady, match=r"MELA_STORAGE_URL: [^\n]+$"):
            open_storage(url, folder=tmp_path)
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageNotReady, match=r"files cannot be kept in [^\n]+$"):
        open_storage(f"file://{tmp_path}/taken/files", folder=tmp_path)


def test_the_digest_is_of_the_whole_file():
    file = io.BytesIO(b"abc")
    file.read()
    assert digest_of(file).hex().startswith("ba7816bf8f01cfea")
    assert file.read() == b"abc"


NOW = datetime(2030, 1, 1, tzinfo=UTC)
THING = UUID(int=5)


def test_a_link_opens_one_thing_for_its_time(tmp_path):
    ring = ensure_keys(tmp_path, "EdDSA")
    link = sign_link(ring, "download", THING, expires_at=NOW)
    assert read_link(ring, "download", link, now=NOW - timedelta(seconds=1)) == THING
    for now, purpose, expired in ((NOW, "download", True), (NOW - timedelta(1), "other", False)):
        with pytest.raises(LinkRefused) as refused:
            read_link(ring, purpose, link, now=now)
        assert refused.value.expired is expired


def test_a_link_that_was_changed_or_signed_by_others_is_none(tmp_path):
    ring, others = ensure_keys(tmp_path / "a", "EdDSA"), ensure_keys(tmp_path / "b", "EdDSA")
    link = sign_link(ring, "download", THING, expires_at=NOW)
    head, body, signature = link.split(".")
    foreign = sign_link(others, "download", THING, expires_at=NOW)
    forged = (f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.", foreign, "", "x", "é" * 9)
    for token in (*forged, "x" * 5_000):
        with pytest.raises(LinkRefused) as refused:
            read_link(ring, "download", token, now=NOW - timedelta(1))
        assert not refused.value.expired


def test_links_and_access_tokens_do_not_pass_for_each_other(tmp_path):
    ring, policy = ensure_keys(tmp_path, "EdDSA"), TokenPolicy()
    now = utc_now()
    link = sign_link(ring, "download", THING, expires_at=now + timedelta(minutes=5))
    with pytest.raises(Unauthenticated):
        verify_access_token(ring, policy, link, now=now)
    subject = f"usr_{THING.hex}"
    access = issue_access_token(
        ring, policy, subject=subject, session_id="ses_1", scopes=(), tier="FREE", now=now
    )
    with pytest.raises(LinkRefused):
        read_link(ring, "download", access.token, now=now)


def test_threads_may_look_at_files_at_once():
    async def work():
        files = [io.BytesIO(b"%PDF-1.7\n" + bytes(1_000)) for _ in range(8)]
        return await asyncio.gather(*(asyncio.to_thread(media_type_of, file) for file in files))

    assert set(asyncio.run(work())) == {"application/pdf"}
