"""GraphQL over HTTP on a real server: npm's audits, and what they do not ask."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.concurrency.serving import serve_here
from tests.conformance.worlds import cloned_database, settings_for
from tests.npm import node_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

NPM = Path(__file__).parent / "npm"
JSON = "application/json"
RESPONSE = "application/graphql-response+json"
PREFLIGHT = {"GraphQL-Preflight": "1"}
TYPENAME = '{"query": "{ __typename }"}'
ANSWER = {"data": {"__typename": "Query"}}
MUTATION = 'mutation { createStall(input: {name: "Pots"}) { __typename } }'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(postgres_url, template_database, redis_server_url, tmp_path_factory):
    with cloned_database(postgres_url, template_database) as database_url:
        state = tmp_path_factory.mktemp("state")
        settings = settings_for(database_url, redis_server_url, state, profile="dev")
        async with serve_here(settings) as here:
            yield here


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server):
    """Sends no header that is not in the test but Host and what the body needs."""
    async with httpx.AsyncClient(trust_env=False, base_url=server.url, timeout=20) as made:
        for name in ("accept", "accept-encoding", "user-agent"):
            del made.headers[name]
        yield made


@pytest.fixture
def post(client):
    """`await post(body, accept=…, **headers)`: names of headers with _ for -."""

    async def send(body=TYPENAME, *, content_type=JSON, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            sent["content-type"] = content_type
        content = json.dumps(body) if isinstance(body, dict | list) else body
        return await client.post("", content=content, headers=sent)

    return send


def shaped(response):
    """The codes of an answer's errors, each of our shape, and no `data` beside them."""
    body = response.json()
    assert set(body) == {"errors"}, body
    for error in body["errors"]:
        extensions = error["extensions"]
        assert set(extensions) == {"code", "requestId", "timestamp", "details"}, error
        assert extensions["requestId"] == response.headers["x-request-id"]
    return [error["extensions"]["code"] for error in body["errors"]]


async def test_all_of_the_server_audits_of_npms_graphql_http_are_ok(server, capsys):
    tools = await asyncio.to_thread(node_with, NPM)
    process = await asyncio.create_subprocess_exec(
        tools.node, NPM / "audits.mjs", server.url, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    results = json.loads(said)
    fine = sum(result["status"] == "ok" for result in results)
    with capsys.disabled():
        sys.stdout.write(f"\ngraphql-http: {fine} of {len(results)} audits\n")
    assert [result for result in results if result["status"] != "ok"] == []
    assert fine == 61
