"""How far it can be driven in Python: each workload an endpoint written by hand, whose JSON one
statement makes in Postgres; an event is one text to all sockets. It understands no GraphQL."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

USER = "'id', u.id, 'username', u.username, 'displayName', u.display_name"
CURSOR = r"""replace(encode(convert_to(extract(epoch FROM a.created_at)::text || ':' || a.id::text,
  'UTF8'), 'base64'), E'\n', '')"""


def page(node: str, joined: str = "", *, cursors: bool) -> str:
    """The statement of a page of auctions whose nodes are made of these pairs."""
    edge = "'cursor', cursor, 'node', node" if cursors else "'node', node"
    told = """
  , 'pageInfo', json_build_object('hasNextPage', (SELECT count(*) > $1 FROM one_more),
    'endCursor', (SELECT cursor FROM edge ORDER BY created_at, id LIMIT 1))"""
    return f"""
WITH one_more AS (SELECT * FROM auction ORDER BY created_at DESC, id DESC LIMIT $1 + 1),
a AS (SELECT * FROM one_more ORDER BY created_at DESC, id DESC LIMIT $1),
edge AS (SELECT {CURSOR} AS cursor, json_build_object({node}) AS node, a.created_at, a.id
  FROM a JOIN user_account u ON u.id = a.seller_id {joined})
SELECT json_build_object('data', json_build_object('auctions', json_build_object(
  'edges', (SELECT json_agg(json_build_object({edge}) ORDER BY created_at DESC, id DESC) FROM edge)
  {told if cursors else ""})))::text"""


POINT = f"""SELECT json_build_object('data', json_build_object('user',
  (SELECT json_build_object({USER}) FROM user_account u WHERE u.id = $1)))::text"""
TOP_BIDS = """CROSS JOIN LATERAL (SELECT json_agg(json_build_object('id', b.id,
  'amount', b.amount_minor, 'placedAt', b.placed_at, 'bidder',
  json_build_object('id', u2.id, 'username', u2.username)) ORDER BY b.amount_minor DESC, b.sequence)
  AS list FROM (SELECT * FROM bid WHERE auction_id = a.id
  ORDER BY amount_minor DESC, sequence LIMIT 3) b
  JOIN user_account u2 ON u2.id = b.bidder_id) top"""
PAGE = page(
    f"""'id', a.id, 'title', a.title, 'currency', a.asset, 'currentPrice', a.current_price_minor,
  'bidCount', a.bid_count, 'status', a.status, 'endsAt', a.ends_at,
  'seller', json_build_object({USER}, 'avatarUrl', u.avatar_url),
  'topBids', coalesce(top.list, '[]')""",
    TOP_BIDS,
    cursors=True,
)
WIDE = page(
    """'id', a.id, 'title', a.title, 'description', a.description, 'currency', a.asset,
  'startingPrice', a.starting_price_minor, 'currentPrice', a.current_price_minor,
  'bidCount', a.bid_count, 'status', a.status, 'startsAt', a.starts_at, 'endsAt', a.ends_at,
  'createdAt', a.created_at, 'seller', json_build_object('id', u.id, 'username', u.username)""",
    cursors=False,
)
ENTITIES = f"""SELECT json_build_object('data', json_build_object('_entities', (SELECT json_agg(
  json_build_object({USER}) ORDER BY asked.n) FROM unnest($1::uuid[]) WITH ORDINALITY asked (id, n)
  JOIN user_account u ON u.id = asked.id)))::text"""

pool: asyncpg.Pool
sockets: dict[int, WebSocket] = {}


async def answer(request: Request) -> Response:
    """The workload that the body names in place of a query."""
    asked = orjson.loads(await request.body())
    variables = asked.get("variables") or {}
    match asked["query"]:
        case "w1":
            text = await pool.fetchval(POINT, uuid.UUID(variables["id"]))
        case "w2":
            text = await pool.fetchval(PAGE, 50)
        case "w3":
            text = await pool.fetchval(WIDE, 1000)
        case _:
            ids = [uuid.UUID(one["id"]) for one in variables["representations"]]
            text = await pool.fetchval(ENTITIES, ids)
    return Response(text, media_type="application/json")


async def subscribe(socket: WebSocket) -> None:
    """Hears everything there is."""
    await socket.accept("graphql-transport-ws")
    await socket.receive_text()
    await socket.send_text('{"type":"connection_ack"}')
    await socket.receive_text()
    sockets[id(socket)] = socket
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        sockets.pop(id(socket), None)


async def deliver(client: Any) -> None:
    """What is published is the frame's text."""
    async with client.pubsub() as channel:
        await channel.psubscribe("limit:*")
        async for message in channel.listen():
            if message["type"] == "pmessage":
                frame = {"type": "websocket.send", "text": message["data"].decode()}
                for socket in list(sockets.values()):
                    await socket._send(frame)


async def keep(connection: Any) -> None:
    """Leaves a connection that goes back to the pool as it is: nothing here changes it."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    global pool
    pool = await asyncpg.create_pool(os.environ["MELA_DATABASE_URL"], max_size=10, reset=keep)
    client = redis.asyncio.from_url(os.environ["MELA_REDIS_URL"])
    delivering = asyncio.create_task(deliver(client))
    yield
    delivering.cancel()
    await pool.close()


app = Starlette(
    routes=[
        Route("/graphql", answer, methods=["POST"]),
        WebSocketRoute("/graphql", subscribe),
    ],
    lifespan=lifespan,
)
