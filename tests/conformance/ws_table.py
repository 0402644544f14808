"""Each rule of graphql-ws's PROTOCOL.md that a server must keep, and of the older protocol, as
messages sent and what must come of them. `test_ws_table.py` plays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SERVED = "graphql-transport-ws"
LEGACY = "graphql-ws"


@dataclass(frozen=True)
class Say:
    """Messages that are sent in one piece: objects as JSON, texts and bytes as they are."""

    messages: tuple[Any, ...]


@dataclass(frozen=True)
class Hear:
    """The next message has these parts. `ERRORS` is a list of errors with codes, `ERROR` one."""

    parts: dict[str, Any]


@dataclass(frozen=True)
class HearAll:
    """The next messages are these, in any order that keeps each operation's own."""

    messages: tuple[Hear, ...]


@dataclass(frozen=True)
class Closed:
    """The server closes with this code, and a reason that has these words; nothing comes before."""

    code: int
    reason: str


@dataclass(frozen=True)
class Nothing:
    """Nothing more is said: the answer to a query that is asked now is what comes next."""


@dataclass(frozen=True)
class Rule:
    """What the protocol says, and a conversation that shows it. Whose `subprotocols` are spoken."""

    says: str
    steps: tuple[Any, ...]
    subprotocols: tuple[str, ...] | None = (SERVED,)


ERRORS, ERROR = "one error or more", "an error"
INIT, ACK = {"type": "connection_init"}, Hear({"type": "connection_ack"})
QUERY = {"query": "{ __typename }"}
ANSWER = {"data": {"__typename": "Query"}}
LIVE = {"query": 'subscription { searchChanged(query: "bowl") { totalCount } }'}
BUSY = {"query": "{ auctions(first: 1) { edges { cursor } } }"}
TWO = {"query": "query A { __typename } query B { b: __typename }"}
NOT_DONE = {"query": "mutation { signOut(input: {}) { __typename } }"}
LONG = "x" * 5_000


def say(*messages: Any) -> Say:
    return Say(messages)


def hear(**parts: Any) -> Hear:
    return Hear(parts)


def begun(id: Any = "1", payload: Any = QUERY, **changes: Any) -> dict[str, Any]:
    return {"id": id, "type": "subscribe", "payload": payload} | changes


def answered(id: str, payload: Any = ANSWER) -> tuple[Hear, Hear]:
    return hear(id=id, type="next", payload=payload), hear(id=id, type="complete")


def over(id: str) -> dict[str, Any]:
    return {"id": id, "type": "complete"}


def rule(says: str, *steps: Any, subprotocols: tuple[str, ...] | None = (SERVED,)) -> Rule:
    return Rule(says, steps, subprotocols)


def told(says: str, *steps: Any) -> Rule:
    """On a connection that was acknowledged."""
    return rule(says, say(INIT), ACK, *steps)


def malformed(what: str, message: Any, words: str) -> Rule:
    return told(f"4400: {what}", say(message), Closed(4400, words))


PING, PONG, QUIET = {"type": "ping"}, {"type": "pong"}, Nothing()

CONNECTING = [
    rule(
        "no subprotocol that is spoken: 4406", Closed(4406, "Subprotocol"), subprotocols=("chat",)
    ),
    rule("no subprotocol at all: 4406", Closed(4406, "Subprotocol"), subprotocols=None),
    rule(
        "of several subprotocols the client's first", say(INIT), ACK, subprotocols=(SERVED, LEGACY)
    ),
    rule("one that is spoken among others", say(INIT), ACK, subprotocols=("chat", SERVED)),
    rule("connection_init is acknowledged", say(INIT), ACK, QUIET),
    rule("its payload may be null", say(INIT | {"payload": None}), ACK),
    rule("its payload may be an object", say(INIT | {"payload": {"a": [1]}}), ACK),
    rule("its payload is no text", say(INIT | {"payload": "a"}), Closed(4400, "payload")),
    rule("its payload is no list", say(INIT | {"payload": []}), Closed(4400, "payload")),
    rule("its payload is no number", say(INIT | {"payload": 0}), Closed(4400, "payload")),
    rule(
        "bad credentials: 4403",
        say(INIT | {"payload": {"authorization": "Bearer forged"}}),
        Closed(4403, "Forbidden"),
    ),
    rule("two inits at once: 4429", say(INIT, INIT), ACK, Closed(4429, "Too many initialisation")),
    told("a second init: 4429", say(INIT), Closed(4429, "Too many initialisation requests")),
    rule(
        "an operation before the acknowledgement: 4401", say(begun()), Closed(4401, "Unauthorized")
    ),
    rule("complete before it is ignored", say(over("1"), INIT), ACK, QUIET),
    rule("init and operations in one piece", say(INIT, begun("a")), ACK, *answered("a")),
]

PINGING = [
    rule("a ping before init is answered", say(PING), hear(type="pong"), say(INIT), ACK),
    told("a ping is answered by a pong without payload", say(PING), hear(type="pong")),
    told("a null payload is none", say(PING | {"payload": None}), hear(type="pong")),
    told("an empty payload comes back", say(PING | {"payload": {}}), hear(type="pong", payload={})),
    told(
        "a payload comes back as it is",
        say(PING | {"payload": {"at": 1, "b": ["ü"]}}),
        hear(type="pong", payload={"at": 1, "b": ["ü"]}),
    ),
    told("each ping is answered", say(PING, PING), hear(type="pong"), hear(type="pong"), QUIET),
    told("a pong that nobody asked for is ignored", say(PONG, PONG | {"payload": {"a": 1}}), QUIET),
    rule("a pong before init is ignored", say(PONG, INIT), ACK),
    malformed("a ping's payload is an object", PING | {"payload": [1]}, "payload"),
    malformed("a pong's payload is an object", PONG | {"payload": "a"}, "payload"),
]

SHAPES = [
    malformed("no JSON", "{", "JSON"),
    malformed("an empty text", "", "JSON"),
    malformed("JSON of no encoding's number", '{"type": NaN}', "JSON"),
    malformed("nesting without end", "[" * 100_000, "JSON"),
    malformed("a binary frame", b'{"type":"ping"}', "text"),
    malformed("null", "null", "object"),
    malformed("a number", "5", "object"),
    malformed("a text", '"ping"', "object"),
    malformed("a list", "[1]", "object"),
    malformed("no type", {"id": "1"}, "type"),
    malformed("a type of null", {"type": None}, "type"),
    malformed("a type of a list", {"type": ["ping"]}, "type"),
    malformed("an unknown type", {"type": "unheard of"}, "unheard of"),
    malformed("an unknown type, however long", {"type": "ü" * 5_000}, "Unknown message type"),
    malformed("a type in capitals", {"type": "PING"}, "PING"),
    malformed("a server's acknowledgement", {"type": "connection_ack"}, "connection_ack"),
    malformed("a server's result", {"type": "next", "id": "1", "payload": ANSWER}, "next"),
    malformed("a server's error", {"type": "error", "id": "1", "payload": []}, "error"),
    malformed("the older protocol's start", begun(type="start"), "start"),
    malformed("subscribe without id", {"type": "subscribe", "payload": QUERY}, "id"),
    malformed("subscribe by a number", begun(1), "id"),
    malformed("subscribe by null", begun(None), "id"),
    malformed("subscribe by an empty id", begun(""), "id"),
    malformed("subscribe by a list", begun(["1"]), "id"),
    malformed("subscribe without payload", {"type": "subscribe", "id": "1"}, "payload"),
    malformed("subscribe to null", begun(payload=None), "payload"),
    malformed("subscribe to a list", begun(payload=[]), "payload"),
    malformed("subscribe to a text", begun(payload="{ __typename }"), "payload"),
    malformed("no query", begun(payload={}), "query"),
    malformed("a query of null", begun(payload={"query": None}), "query"),
    malformed("a query of a number", begun(payload={"query": 1}), "query"),
    malformed("a query of an object", begun(payload={"query": {}}), "query"),
    malformed("a list of variables", begun(payload=QUERY | {"variables": [1]}), "variables"),
    malformed("variables in a text", begun(payload=QUERY | {"variables": "{}"}), "variables"),
    malformed("a number for a name", begun(payload=QUERY | {"operationName": 1}), "operationName"),
    malformed("a list of extensions", begun(payload=QUERY | {"extensions": []}), "extensions"),
    malformed("extensions in a text", begun(payload=QUERY | {"extensions": "a"}), "extensions"),
    malformed("a number for a document", begun(payload={"documentId": 1}), "documentId"),
    malformed("complete without id", {"type": "complete"}, "id"),
    malformed("complete by a number", {"type": "complete", "id": 1}, "id"),
    malformed("complete by an empty id", {"type": "complete", "id": ""}, "id"),
    malformed("complete by a list", {"type": "complete", "id": ["1"]}, "id"),
    rule("4400 before init too", say("{"), Closed(4400, "JSON")),
    told("what follows it is not looked at", say("{", PING, begun()), Closed(4400, "JSON")),
]

OPERATIONS = [
    told("a query has one result, and is complete", say(begun("a")), *answered("a"), QUIET),
    told(
        "null for what may be missing",
        say(begun("a", QUERY | {"variables": None, "operationName": None, "extensions": None})),
        *answered("a"),
    ),
    told(
        "variables and names",
        say(begun("a", TWO | {"variables": {}, "operationName": "B"})),
        *answered("a", {"data": {"b": "Query"}}),
    ),
    told(
        "parts that nobody knows are passed over",
        say(begun("a", QUERY | {"more": 1}, more=2)),
        *answered("a"),
    ),
    told(
        "an error of execution is a result's",
        say(begun("a", NOT_DONE)),
        hear(id="a", type="next", payload={"data": None, "errors": ERRORS}),
        hear(id="a", type="complete"),
        QUIET,
    ),
    told(
        "operations are told apart",
        say(begun("a"), begun("b", TWO | {"operationName": "B"})),
        HearAll((*answered("a"), *answered("b", {"data": {"b": "Query"}}))),
        QUIET,
    ),
    *(
        told(
            f"{what}: error, no complete, and the id is free",
            say(begun("a", payload)),
            hear(id="a", type="error", payload=ERRORS),
            QUIET,
            say(begun("a")),
            *answered("a"),
        )
        for what, payload in {
            "syntax": {"query": "{ "},
            "nesting without end in a text": {"query": "{" * 3_000},
            "a fragment on nothing": {
                "query": "query A { __typename } fragment F on Nothing { id }"
            },
            "an empty text": {"query": ""},
            "nothing but a fragment": {"query": "fragment F on Query { __typename }"},
            "an unknown field": {"query": "{ nothing }"},
            "an unknown field to subscribe to": {"query": "subscription { nothing }"},
            "an unknown operation": TWO | {"operationName": "C"},
            "several operations and no name": TWO,
            "a variable's value": {
                "query": "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
                "variables": {"ids": 1.5},
            },
            "a variable that is missing": {
                "query": "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
            },
            "a subscription's variable": {
                "query": "subscription($id: ID!) { bidPlaced(auctionId: $id) { cursor } }"
            },
            "a hash that is none": QUERY | {"extensions": {"persistedQuery": 1}},
            "an unknown hash": {
                "query": "",
                "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}},
            },
            "an unknown document": {"documentId": "nobody's"},
            "an unknown hash without a text": {
                "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
            },
        }.items()
    ),
    told(
        "an id in use: 4409",
        say(begun("a", LIVE)),
        hear(id="a", type="next"),
        say(begun("a")),
        Closed(4409, "Subscriber for a already exists"),
    ),
    told(
        "whatever it is used for", say(begun("a", BUSY), begun("a")), Closed(4409, "for a already")
    ),
    told(
        "however long it is", say(begun(LONG, LIVE), begun(LONG)), Closed(4409, "Subscriber for x")
    ),
    told(
        "an id of what is complete is free",
        say(begun("a")),
        *answered("a"),
        say(begun("a")),
        *answered("a"),
    ),
    told(
        "a client's complete ends it without a word, and frees its id",
        say(begun("a", LIVE)),
        hear(id="a", type="next"),
        say(over("a"), begun("a")),
        *answered("a"),
        QUIET,
    ),
    told("no result after complete, even of a query", say(begun("a", BUSY), over("a")), QUIET),
    told("complete of an unknown id is ignored", say(over("nobody's")), QUIET),
    told(
        "complete of what is complete is ignored",
        say(begun("a")),
        *answered("a"),
        say(over("a")),
        QUIET,
    ),
    told(
        "complete twice is ignored",
        say(begun("a", LIVE)),
        hear(id="a", type="next"),
        say(over("a"), over("a")),
        QUIET,
    ),
    told(
        "one that ends disturbs no other",
        say(begun("a", LIVE)),
        hear(id="a", type="next"),
        say(begun("b", {"query": "{ "})),
        hear(id="b", type="error", payload=ERRORS),
        say(begun("b")),
        *answered("b"),
        say(over("a")),
        QUIET,
    ),
]


def old(says: str, *steps: Any) -> Rule:
    return rule(f"graphql-ws: {says}", *steps, subprotocols=(LEGACY,))


def old_told(says: str, *steps: Any) -> Rule:
    return old(says, say(INIT), ACK, hear(type="ka"), *steps)


def start(id: Any = "1", payload: Any = QUERY) -> dict[str, Any]:
    return {"id": id, "type": "start", "payload": payload}


def old_answered(id: str, payload: Any = ANSWER) -> tuple[Hear, Hear]:
    return hear(id=id, type="data", payload=payload), hear(id=id, type="complete")


OLDER = [
    old("init is acknowledged and kept alive", say(INIT), ACK, hear(type="ka")),
    old("its payload may be null", say(INIT | {"payload": None}), ACK, hear(type="ka")),
    old(
        "bad credentials: connection_error, then 4403",
        say(INIT | {"payload": {"authorization": "Bearer forged"}}),
        hear(type="connection_error", payload={"message": "Forbidden"}),
        Closed(4403, "Forbidden"),
    ),
    old(
        "start behind init in one piece",
        say(INIT, start("a")),
        ACK,
        hear(type="ka"),
        *old_answered("a"),
    ),
    old("start before it: 4401", say(start()), Closed(4401, "Unauthorized")),
    old_told("a query", say(start("a")), *old_answered("a"), QUIET),
    old_told(
        "an error of execution is a result's",
        say(start("a", NOT_DONE)),
        *old_answered("a", {"data": None, "errors": ERRORS}),
    ),
    old_told(
        "what cannot run is one error",
        say(start("a", {"query": "{ nothing }"})),
        hear(id="a", type="error", payload=ERROR),
        QUIET,
    ),
    old_told(
        "stop ends without a word",
        say(start("a", LIVE)),
        hear(id="a", type="data"),
        say({"id": "a", "type": "stop"}),
        QUIET,
    ),
    old_told("stop of nothing is ignored", say({"id": "a", "type": "stop"}), QUIET),
    old_told(
        "an id in use goes to the new operation",
        say(start("a", LIVE)),
        hear(id="a", type="data"),
        say(start("a")),
        *old_answered("a"),
        QUIET,
    ),
    old_told("terminate closes", say({"type": "connection_terminate"}), Closed(1000, "")),
    old_told("an unknown type: 4400", say({"type": "subscribe"}), Closed(4400, "subscribe")),
    old_told("no ping in it: 4400", say(PING), Closed(4400, "ping")),
    old_told("no JSON: 4400", say("{"), Closed(4400, "JSON")),
]

TABLE = [*CONNECTING, *PINGING, *SHAPES, *OPERATIONS, *OLDER]
