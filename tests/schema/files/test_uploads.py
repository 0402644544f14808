"""Multipart requests over HTTP: what is taken, and that nothing is left of what is refused."""

import asyncio
import tempfile

import httpx
import orjson
import pytest
from starlette.formparsers import MultiPartParser

from core.ids import encode_id

SET_FILE = """
mutation($input: SetProductFileInput!) { setProductFile(input: $input) {
  __typename
  ... on SetProductFileSuccess { product { id file { fileName mediaType size licence sha256 } } }
  ... on InvalidInput { field reason }
} }
"""
PDF = b"%PDF-1.7\n" + bytes(1_000)


@pytest.fixture
async def digital(seller, open_stall, list_product):
    """A maker and the id of a digital product of theirs."""
    maker = await seller()
    stall = await open_stall(maker)
    return maker, encode_id("prd", await list_product(maker, stall, kind="DIGITAL"))


@pytest.fixture
def opened(monkeypatch):
    """Each temporary file that an upload was read to."""
    made = []

    class Watched(tempfile.SpooledTemporaryFile):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Watched)
    return made


async def test_a_file_arrives_and_its_temporary_copy_is_closed(
    upload, digital, stored, opened, sql
):
    maker, product = digital
    content = PDF + bytes(2 * MultiPartParser.spool_max_size)
    data = await upload(
        SET_FILE, maker, content, file_name=b"book.pdf", productId=product, licence="Read it."
    )
    file = data["setProductFile"]["product"]["file"]
    assert file == {
        "fileName": "book.pdf",
        "mediaType": "application/pdf",
        "size": len(content),
        "licence": "Read it.",
        "sha256": file["sha256"],
    }
    [path] = stored()
    assert path.read_bytes() == content
    assert [file.closed for file in opened] == [True]
    [[key]] = await sql("SELECT storage_key FROM product_file")
    assert path.as_posix().endswith(key)


@pytest.mark.parametrize("name", ["Apollo-Require-Preflight", "X-Apollo-Operation-Name"])
async def test_other_headers_that_cannot_be_sent_unasked_will_do(
    name, send, digital, files, stored
):
    maker, product = digital
    body = files.form_of(
        *files.upload_of(SET_FILE, {"input": {"productId": product, "file": None}}, PDF)
    )
    response = await send(body, maker, headers={name: "x"})
    assert response.json()["data"]["setProductFile"]["__typename"] == "SetProductFileSuccess"
    assert len(stored()) == 1


@pytest.mark.parametrize("headers", [{}, {"GraphQL-Preflight": " "}, {"X-Other": "1"}])
async def test_without_such_a_header_nothing_is_read(
    headers, send, digital, files, untouched, opened, shapes
):
    _, product = digital
    before = await untouched()
    body = files.form_of(
        *files.upload_of(SET_FILE, {"input": {"productId": product, "file": None}}, PDF)
    )
    response = await send(body, None, headers=headers)
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert shapes.is_shaped(error)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["details"] == {"header": "GraphQL-Preflight"}
    assert "GraphQL-Preflight: 1" in error["message"]
    assert (await untouched(), opened) == (before, [])


async def test_nobody_uploads_without_a_name(send, digital, files, untouched, opened, shapes):
    _, product = digital
    before = await untouched()
    body = files.form_of(
        *files.upload_of(SET_FILE, {"input": {"productId": product, "file": None}}, PDF)
    )
    response = await send(body, None)
    assert (response.status_code, shapes.codes(response.json())) == (401, ["UNAUTHENTICATED"])
    assert (await untouched(), opened) == (before, [])


def wrong_bodies(files, product):
    variables = {"input": {"productId": product, "file": None}}
    operations, places, file = files.upload_of(SET_FILE, variables, PDF)

    def with_map(value):
        return [operations, files.Sent("map", orjson.dumps(value)), file]

    def with_operations(value):
        return [files.Sent("operations", value), places, file]

    filled = {"query": SET_FILE, "variables": {"input": {"productId": product, "file": "x"}}}
    return {
        "no operations": [places, file],
        "no map": [operations, file],
        "no file": [operations, places],
        "a file that is text": [operations, places, files.Sent("0", b"text")],
        "operations as a file": [files.Sent("operations", operations.content, b"x"), places, file],
        "operations are no JSON": with_operations(b"{"),
        "operations are a list": with_operations(b"[]"),
        "operations are text in Latin-1": with_operations(b'{"query": "\xe9"}'),
        "a query instead of null": with_operations(orjson.dumps(filled)),
        "map is no JSON": [operations, files.Sent("map", b"{"), file],
        "map is a list": with_map([]),
        "map names nothing": with_map({}),
        "map names another file": with_map({"1": ["variables.input.file"]}),
        "map has no paths": with_map({"0": []}),
        "map has a number": with_map({"0": [1]}),
        "a path into the query": with_map({"0": ["query"]}),
        "a path out of variables": with_map({"0": ["operationName"]}),
        "a path to nowhere": with_map({"0": ["variables.input.other"]}),
        "a path into text": with_map({"0": ["variables.input.productId.0"]}),
        "an empty path": with_map({"0": [""]}),
        "too many places": with_map({"0": ["variables.input.file"] * 5}),
        "the same name twice": [operations, places, file, file],
        "a file too many": [operations, places, *[file] * 5],
        "a field too many": [operations, places, file, files.Sent("more", b"x")],
    }


CASES = [
    "no operations",
    "no map",
    "no file",
    "a file that is text",
    "operations as a file",
    "operations are no JSON",
    "operations are a list",
    "operations are text in Latin-1",
    "a query instead of null",
    "map is no JSON",
    "map is a list",
    "map names nothing",
    "map names another file",
    "map has no paths",
    "map has a number",
    "a path into the query",
    "a path out of variables",
    "a path to nowhere",
    "a path into text",
    "an empty path",
    "too many places",
    "the same name twice",
    "a file too many",
    "a field too many",
]


@pytest.mark.parametrize("case", CASES)
async def test_a_request_that_is_not_as_specified_is_refused_whole(
    case, send, digital, files, untouched, opened, shapes
):
    maker, product = digital
    cases = wrong_bodies(files, product)
    assert set(cases) == set(CASES)
    before = await untouched()
    response = await send(files.form_of(*cases[case]), maker)
    assert response.status_code == 400, response.text
    [error] = response.json()["errors"]
    assert shapes.is_shaped(error)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await untouched() == before
    assert [file.closed for file in opened] == [True] * len(opened)


@pytest.mark.parametrize("case", ["half a file", "no last boundary", "nothing", "no boundary"])
async def test_half_a_body_is_refused(case, send, digital, files, untouched, opened):
    maker, product = digital
    before = await untouched()
    variables = {"input": {"productId": product, "file": None}}
    whole = files.form_of(*files.upload_of(SET_FILE, variables, PDF))
    body = {
        "half a file": whole[: len(whole) - 500],
        "no last boundary": whole[: whole.rindex(b"\r\n--")],
        "nothing": b"",
        "no boundary": whole,
    }[case]
    kind = "multipart/form-data" if case == "no boundary" else None
    response = await send(body, maker, type=kind)
    assert response.status_code == 400
    assert await untouched() == before
    assert [file.closed for file in opened] == [True] * len(opened)


async def test_who_hangs_up_leaves_nothing(app, digital, files, untouched, opened):
    maker, product = digital
    before = await untouched()
    variables = {"input": {"productId": product, "file": None}}
    body = files.form_of(*files.upload_of(SET_FILE, variables, PDF + bytes(2_000_000)))
    messages = [
        {"type": "http.request", "body": body[:1_500_000], "more_body": True},
        {"type": "http.disconnect"},
    ]
    headers = {
        "host": "mela.test",
        "content-type": "multipart/form-data; boundary=a-boundary-of-tests",
        "graphql-preflight": "1",
        "authorization": f"Bearer {maker.token}",
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
        "server": ("mela.test", 80),
        "state": {},
    }

    async def receive():
        return messages.pop(0)

    async def drop(message):
        pass

    await asyncio.wait_for(app(scope, receive, drop), 10)
    assert await untouched() == before
    assert [file.closed for file in opened] == [True]


@pytest.fixture
def settings(settings, request):
    """Small limits where a test marks itself with them."""
    return settings.model_copy(update=getattr(request, "param", {}))


LIMITS = {"max_upload_bytes": 100_000, "max_body_bytes": 20_000}
small = pytest.mark.parametrize("settings", [LIMITS], indirect=True)


@small
async def test_files_may_be_as_large_as_is_said_and_no_larger(
    upload, send, digital, files, stored, opened, shapes
):
    maker, product = digital
    largest = PDF + bytes(100_000 - len(PDF))
    data = await upload(SET_FILE, maker, largest, productId=product)
    assert data["setProductFile"]["__typename"] == "SetProductFileSuccess"
    variables = {"input": {"productId": product, "file": None}}
    body = files.form_of(*files.upload_of(SET_FILE, variables, largest + b"x"))
    response = await send(body, maker)
    assert (response.status_code, shapes.codes(response.json())) == (413, ["BAD_USER_INPUT"])
    assert len(stored()) == 1
    assert [file.closed for file in opened] == [True, True]


@small
async def test_a_body_beyond_all_bounds_is_not_read(send, digital, files, stored, opened):
    maker, product = digital
    variables = {"input": {"productId": product, "file": None}}
    body = files.form_of(*files.upload_of(SET_FILE, variables, bytes(120_001)))
    assert (await send(body, maker)).status_code == 413
    assert opened == []

    async def pieces():
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    assert (await send(pieces(), maker)).status_code == 413
    assert [file.closed for file in opened] == [True]
    assert stored() == []


@small
async def test_only_a_form_at_the_graphql_address_may_be_so_large(client, send, digital):
    maker, _ = digital
    headers = {"Authorization": f"Bearer {maker.token}"}
    large = {"query": "{ __typename }", "variables": {"x": "x" * 30_000}}
    assert (await client.post("/graphql", json=large, headers=headers)).status_code == 413
    assert (await send(b"x" * 30_000, maker, path="/webhooks/payments")).status_code == 413
    text = {"Content-Type": "text/plain", **headers}
    assert (await client.post("/graphql", content=b"x" * 30_000, headers=text)).status_code == 413


@small
async def test_operations_may_be_as_large_as_any_body(send, digital, files, untouched):
    maker, product = digital
    before = await untouched()
    variables = {"input": {"productId": product, "file": None}, "more": "x" * 20_000}
    response = await send(files.form_of(*files.upload_of(SET_FILE, variables, PDF)), maker)
    assert response.status_code == 400
    assert await untouched() == before


async def test_an_upload_is_a_file_and_nothing_else(post, execute, digital, untouched, shapes):
    maker, product = digital
    before = await untouched()
    for value in ("x", 1, None, {"name": "x"}):
        response = await post(SET_FILE, maker, input={"productId": product, "file": value})
        assert shapes.codes(response.json()) == ["BAD_USER_INPUT"]
    written = SET_FILE.replace("$input: SetProductFileInput!", "").replace("mutation()", "mutation")
    literal = written.replace("input: $input", f'input: {{productId: "{product}", file: "x"}}')
    assert shapes.codes(await execute(literal, maker)) == ["BAD_USER_INPUT"]
    assert await untouched() == before


@pytest.mark.parametrize(
    ("given_name", "clean"),
    [
        (b"../../etc/x.pdf", "x.pdf"),
        (b"..\\..\\x.pdf", "x.pdf"),
        (b"a\0b.pdf", "ab.pdf"),
        ("Tö\u202epf.pdf".encode(), "Töpf.pdf"),
        (b"", "file"),
        (b"x" * 500 + b".pdf", "x" * 196 + ".pdf"),
    ],
)
async def test_names_of_files_do_no_harm(upload, digital, stored, settings, given_name, clean):
    maker, product = digital
    data = await upload(SET_FILE, maker, PDF, file_name=given_name, productId=product)
    assert data["setProductFile"]["product"]["file"]["fileName"] == clean
    [path] = stored()
    assert path.parent == settings.state_dir / "files" / "products"
    assert len(path.name) == 32


async def test_a_name_cannot_end_its_line(send, digital, files, untouched):
    maker, product = digital
    variables = {"input": {"productId": product, "file": None}}
    parts = files.upload_of(SET_FILE, variables, PDF, file_name=b'x"\r\nX-Evil: 1\r\n\r\ny.pdf')
    before = await untouched()
    response = await send(files.form_of(*parts), maker)
    if response.status_code == 200:
        found = response.json()["data"]["setProductFile"]
        assert found["__typename"] in ("SetProductFileSuccess", "InvalidInput")
        assert "X-Evil" not in response.headers
    else:
        assert response.status_code == 400
        assert await untouched() == before


@pytest.mark.parametrize("charset", ["utf-7", "idna", "undefined", "rot13", "zip", "no-such"])
async def test_other_encodings_of_a_form_are_refused(send, digital, files, charset, untouched):
    maker, product = digital
    before = await untouched()
    variables = {"input": {"productId": product, "file": None}}
    body = files.form_of(*files.upload_of(SET_FILE, variables, PDF))
    kind = f"multipart/form-data; boundary=a-boundary-of-tests; charset={charset}"
    assert (await send(body, maker, type=kind)).status_code == 415
    assert await untouched() == before


async def test_httpx_and_other_clients_of_the_specification_are_understood(client, digital):
    maker, product = digital
    operations = {
        "query": SET_FILE,
        "variables": {"input": {"productId": product, "file": None}},
    }
    fields = {
        "operations": orjson.dumps(operations).decode(),
        "map": '{"0": ["variables.input.file"]}',
    }
    response = await client.post(
        "/graphql",
        data=fields,
        files={"0": ("Töpfe.pdf", PDF, "application/pdf")},
        headers={"Authorization": f"Bearer {maker.token}", "GraphQL-Preflight": "1"},
    )
    assert isinstance(response, httpx.Response)
    found = response.json()["data"]["setProductFile"]["product"]["file"]
    assert (found["fileName"], found["size"]) == ("Töpfe.pdf", len(PDF))
