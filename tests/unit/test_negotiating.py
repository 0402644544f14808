"""What Accept headers let be answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.negotiating import JSON, MAX_ACCEPT_BYTES, RESPONSE, Accepted, negotiate

APOLLO = (
    b'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,'
    b"application/graphql-response+json,application/json;q=0.9"
)
DEFERRING = b"multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json"
URQL = (
    b"application/graphql-response+json, application/graphql+json, application/json, "
    b"text/event-stream, multipart/mixed"
)


@pytest.mark.parametrize(
    ("accept", "plain", "streams"),
    [
        (None, JSON, ()),
        (b"*/*", JSON, ()),
        (b"application/*;q=0.1", JSON, ()),
        (RESPONSE, RESPONSE, ()),
        (b"APPLICATION/GRAPHQL-RESPONSE+JSON", RESPONSE, ()),
        (b"application/json, " + RESPONSE, JSON, ()),
        (RESPONSE + b", application/json", RESPONSE, ()),
        (b"application/json;q=0.8," + RESPONSE + b";q=0.9", RESPONSE, ()),
        (b"application/json;q=0, */*;q=0.1", RESPONSE, ()),
        (b"*/*, " + RESPONSE, RESPONSE, ()),
        (b"*/*, " + RESPONSE + b";q=0.5", JSON, ()),
        (b"application/json;q=nonsense", JSON, ()),
        (b"application/json;q=7, " + RESPONSE + b";q=-1", JSON, ()),
        (b"application/json;q=nan", JSON, ()),
        (b"application/json;charset=utf-16, " + RESPONSE, RESPONSE, ()),
        (b"text/event-stream", None, ("events",)),
        (b"text/event-stream;q=0, application/json", JSON, ()),
        (b"text/*, multipart/*, application/json", JSON, ()),
        (b"multipart/mixed, text/event-stream;q=0.9", None, ("parts", "events")),
        (APOLLO, RESPONSE, ("subscription",)),
        (DEFERRING, RESPONSE, ("deferred",)),
        (URQL, RESPONSE, ("events", "parts")),
    ],
)
def test_what_is_accepted(accept, plain, streams):
    assert negotiate(accept) == Accepted(plain, streams)


@pytest.mark.parametrize(
    "accept",
    [b"", b",", b"text/html", b"application/json;q=0", b"json", b"*/*" + b" " * MAX_ACCEPT_BYTES],
)
def test_what_is_nothing_that_we_have(accept):
    assert negotiate(accept) is None


@given(st.binary(max_size=100) | st.text(";,=q*/ .01abcnonstext-", max_size=60).map(str.encode))
def test_any_header_is_read(accept):
    found = negotiate(accept)
    assert found is None or found.plain is not None or found.streams
