"""A suspension bites on sockets that are open, and on what is written with a token that runs on."""

import time

import httpx
import pytest

from core.ids import encode_id
from core.settings import Settings
from models.users import UserRole
from services.content.posts import PostDetails, create_post
from services.users.accounts import NewAccount, sign_up
from services.users.sessions import Client, open_session
from tests.concurrency.serving import open_socket, serve_here, token_for

SUSPEND = """
mutation ($id: ID!) { moderateContent(input: {nodeId: $id, action: SUSPEND, reason: "Spam"}) {
  __typename } }
"""
WATCH = "subscription ($id: ID!) { commentAdded(postId: $id) { cursor } }"
WRITE = 'mutation ($id: ID!) { addComment(input: {postId: $id, text: "x"}) { __typename } }'
PROMISED_S = 5.0


@pytest.fixture
def enter(db):
    """`await enter("ada", roles=())`: the ids of a new person and of their session."""

    async def make(name, roles=()):
        async def work(tx):
            account = NewAccount(f"{name}@mela.test", name, "!")
            user_id = await sign_up(tx, account=account, client=Client())
            tx.add_all([UserRole(user_id=user_id, role=role) for role in roles])
            opened = await open_session(tx, user_id=user_id, client=Client(), refresh_token_s=3_600)
            return user_id, opened.session_id

        return await db.transaction(work)

    return make


async def test_who_is_suspended_is_off_their_sockets_within_five_seconds(
    db, enter, database_url, redis_url, redis_prefix, tmp_path
):
    settings = Settings(
        profile="test",
        database_url=database_url,
        redis_url=redis_url,
        bus_prefix=redis_prefix,
        state_dir=tmp_path,
        signing_algorithm="EdDSA",
        jobs=False,
        demo=False,
    )
    ada, ada_session = await enter("ada")
    moderator, moderator_session = await enter("mod", roles=("MODERATOR",))
    details = PostDetails(title="Words")
    post_id = await db.transaction(
        lambda tx: create_post(tx, author_id=ada, details=details, publish=True)
    )
    post = encode_id("pst", post_id)
    async with serve_here(settings) as server, serve_here(settings) as elsewhere:
        token = token_for(server.ring, ada, session_id=ada_session)
        keeper = token_for(
            server.ring, moderator, session_id=moderator_session, roles=["MODERATOR"]
        )
        written = await server.ask(WRITE, token=token, id=post)
        assert written["addComment"]["__typename"] == "AddCommentSuccess"
        async with open_socket(elsewhere.socket_url, token=token) as socket:
            await socket.subscribe("1", WATCH, id=post)
            await elsewhere.follows(1)
            began = time.monotonic()
            # At one server, while the socket is another's.
            done = await server.ask(SUSPEND, token=keeper, id=post)
            assert done["moderateContent"]["__typename"] == "ModerateContentSuccess"
            message = await socket.receive(within_s=PROMISED_S)
            while message["type"] != "error":
                message = await socket.receive(within_s=PROMISED_S)
            [error] = message["payload"]
            assert error["extensions"]["code"] == "UNAUTHENTICATED"
            assert error["extensions"]["details"] == {"reason": "REVOKED"}
            assert await socket.closed(within_s=PROMISED_S) == 4403
            assert time.monotonic() - began < PROMISED_S
        for url in (server.url, elsewhere.url):
            async with httpx.AsyncClient(trust_env=False) as client:
                refused = await client.post(
                    url,
                    json={"query": WRITE, "variables": {"id": post}},
                    headers={"Authorization": f"Bearer {token}"},
                )
            codes = [e["extensions"]["code"] for e in refused.json()["errors"]]
            assert codes == ["UNAUTHENTICATED"]
