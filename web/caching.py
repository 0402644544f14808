"""How caches may treat the answer to an operation: Cache-Control by `@cacheControl`, Vary, and
entity tags of what is asked by GET."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from execution.caching import CachePolicy
from resolvers.context import OperationContext
from schema.executing import MelaSchema
from web.compression import MIN_BYTES
from web.headers import Headers
from web.requests import Asked

NO_STORE: Final = b"no-store"
VARY: Final = (b"vary", b"accept, accept-encoding, authorization")
"""Of every answer to an operation: who asks, and how it is written. Origin is CORS's own."""
MAX_TAGS_BYTES: Final = 2_000
"""Of an If-None-Match that is looked at."""


def cache_control(
    schema: MelaSchema, context: OperationContext, asked: Asked, result: Any
) -> bytes:
    """The Cache-Control of an answer: `no-store` where it has errors or extensions, is of a
    mutation, or has a field that says nothing of caching; private where somebody is signed in."""
    if result.errors or result.data is None or asked.query is None:
        return NO_STORE
    if result.extensions:  # what this request cost, or its plan
        return NO_STORE
    policy = schema.cache_policy(asked.query, asked.operation_name)
    if policy is None:
        return NO_STORE
    return _said(policy, private=policy.private or context.viewer is not None)


def _said(policy: CachePolicy, *, private: bool) -> bytes:
    return b"max-age=%d, %b" % (policy.max_age_s, b"private" if private else b"public")


def entity_tag(body: bytes, headers: Headers) -> bytes:
    """The tag of an answer's bytes: strong, but where those that are sent may be compressed."""
    tag = b'"%b"' % hashlib.blake2b(body, digest_size=16).hexdigest().encode()
    may_be_compressed = b"accept-encoding" in headers and len(body) >= MIN_BYTES
    return b"W/" + tag if may_be_compressed else tag


def is_current(tag: bytes, headers: Headers) -> bool:
    """Whether the client has what the tag is of: If-None-Match compares weakly (RFC 9110)."""
    given = headers.get(b"if-none-match")
    if given is None or len(given) > MAX_TAGS_BYTES:
        return False
    if given.strip() == b"*":
        return True
    wanted = tag.removeprefix(b"W/")
    return any(one.strip().removeprefix(b"W/") == wanted for one in given.split(b","))
