"""The storage over S3's protocol, against a bucket of this process: as much of S3 as is used."""

import io
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.storage import open_storage
from core.files import new_file_key

NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"


class Bucket(BaseHTTPRequestHandler):
    """PUT, GET and HEAD of objects, deletion, and uploads in parts, as the S3 API has them."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    parts: dict[int, bytes]

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def asked(self):
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        query = parse_qs(parts.query, keep_blank_values=True)
        return parts.path, query, self.rfile.read(length)

    def do_PUT(self):
        path, query, body = self.asked()
        assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
        if "partNumber" in query:
            self.parts[int(query["partNumber"][0])] = body
        else:
            self.objects[path] = body
        self.answer(200, ETag='"e"')

    def do_POST(self):
        path, query, body = self.asked()
        if "uploads" in query:
            xml = "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
            self.answer(200, f"{xml}</InitiateMultipartUploadResult>".encode())
            return
        if "delete" in query:
            [key] = re.findall(rb"<Key>([^<]+)</Key>", body)
            self.objects.pop(f"{path.rstrip('/')}/{key.decode()}", None)
            xml = b"<DeleteResult><Deleted><Key>" + key + b"</Key></Deleted></DeleteResult>"
            self.answer(200, xml)  # S3 says so of what was not there as well
            return
        wanted = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", body)]
        self.objects[path] = b"".join(self.parts[number] for number in wanted)
        xml = b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
        self.answer(200, xml)

    def do_GET(self):
        path, _, _ = self.asked()
        found = self.objects.get(path)
        modified = {"Last_Modified": "Tue, 01 Jan 2030 00:00:00 GMT", "ETag": '"e"'}
        if found is None:
            self.answer(404, NO_SUCH_KEY)
        else:
            self.answer(200, found, **modified)

    do_HEAD = do_GET


@pytest.fixture
def bucket(monkeypatch):
    """The objects of the bucket, by path."""
    handler = type("Own", (Bucket,), {"objects": {}, "parts": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    yield handler.objects
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("size", [10, 12_000_000])
async def test_files_are_kept_in_a_bucket(bucket, tmp_path, size):
    storage = open_storage("s3://mela/pre/fix", folder=tmp_path / "unused")
    key, content = new_file_key("products"), os.urandom(size)
    await storage.put(key, io.BytesIO(content))
    assert bucket == {f"/mela/pre/fix/{key}": content}
    assert b"".join([piece async for piece in await storage.get(key)]) == content
    assert await storage.exists(key)
    await storage.delete(key)
    await storage.delete(key)
    assert not await storage.exists(key)
    assert bucket == {}
    with pytest.raises(FileNotFoundError):
        await storage.get(key)
    assert list(tmp_path.iterdir()) == []
