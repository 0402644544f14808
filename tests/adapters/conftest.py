"""A real HTTP server that answers as it is told to, well or badly; and a clock in the hand."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import pytest

from adapters.platforms.guarding import GuardTerms, Timing
from adapters.platforms.making import FeedPlatforms
from core.ids import new_id
from core.ports import PlatformFeed, PlatformTitle


@dataclass
class HandClock:
    """Time that passes only where somebody sleeps, or the test says so."""

    at: float = 1_000.0
    slept: list = field(default_factory=list)
    dice: float = 0.0

    async def sleep(self, seconds):
        self.slept.append(round(seconds, 3))
        self.at += seconds
        await asyncio.sleep(0)

    @property
    def timing(self):
        return Timing(lambda: self.at, self.sleep, lambda: self.dice)


def answer(body=b"", status=200, *, headers=(), length=None):
    """An HTTP answer as bytes; `length` may lie."""
    body = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", "Connection: close"]
    lines += [f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class FeedServer:
    """`say(one, two)`: the answers in turn, the last one again and again. An answer is bytes, or
    an async function of the request's path and the writer."""

    def __init__(self):
        self.paths, self.heads, self.answers = [], [], [answer({"offers": []})]
        self.inside = self.most = 0

    def say(self, *answers):
        self.answers = list(answers)

    async def handle(self, reader, writer):
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            self.paths.append(path)
            self.heads.append(head)
            told = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
            if isinstance(told, bytes):
                writer.write(told)
            else:
                writer.write(await told(path, writer) or b"")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.inside -= 1
            writer.close()


@pytest.fixture(name="answer")
def answer_fixture():
    return answer


@pytest.fixture
async def feed_server():
    server = FeedServer()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    server.host, server.url = f"{host}:{port}", f"http://{host}:{port}"
    yield server
    listening.close()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def make_platforms(feed_server, clock):
    """`make_platforms(timeout_s=…)`: platforms that ask the server by the clock in the hand."""
    made = []

    def make(body_max_bytes=10_000, tokens=None, **terms):
        terms = GuardTerms(**({"timeout_s": 1.0} | terms))
        platforms = FeedPlatforms(
            (feed_server.host,), tokens or {}, terms, clock.timing, body_max_bytes
        )
        made.append(platforms)
        return platforms

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def make_feed(feed_server):
    """`make_feed(complete=True)`: a feed of the server with these options."""
    platform_id = new_id()

    def make(kind="JSON_FEED", path="/offers?ids={ids}&region={region}", limits=None, **options):
        more = {} if limits is None else {"limits": limits}
        url = feed_server.url + ("/3" if kind == "TMDB" else path)
        return PlatformFeed(platform_id, "moon", kind, url, ("FR", "DE"), options, **more)

    return make


@pytest.fixture
def film():
    """`film(5)`: a title of these numbers in all catalogues."""

    def make(number, kind="MOVIE"):
        return PlatformTitle(UUID(int=number), kind, f"tt{number:07}", str(number), f"Q{number}")

    return make
