"""One GET of JSON from a platform: bounded, never redirected, and every way to fail told apart for
the guard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from adapters.platforms.guarding import Busy, Failed, Guard, Malformed, Refused

Fetch = Callable[[str], Awaitable[Any]]
"""The JSON at a URL, guarded; None where there is nothing (404)."""

BODY_MAX_BYTES = 5 * 1024 * 1024
RETRY_AFTER_MAX_S = 24 * 3600.0


def guarded_fetch(
    client: httpx.AsyncClient,
    guard: Guard,
    headers: Mapping[str, str],
    *,
    body_max_bytes: int = BODY_MAX_BYTES,
) -> Fetch:
    """A `Fetch` whose every request passes the guard. It raises what the guard raises."""

    async def fetch(url: str) -> Any:
        return await guard.call(lambda: _get(client, url, headers, body_max_bytes))

    return fetch


async def _get(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body_max_bytes: int
) -> Any:
    # Not compressed: what a body of a few bytes unpacks to has no limit.
    plain = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
    try:
        async with client.stream("GET", url, headers=plain, follow_redirects=False) as response:
            if response.status_code == 404:
                return None
            _check_status(response)
            body = await _body(response, body_max_bytes)
    except httpx.HTTPError as error:
        raise Failed(repr(error)) from error
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(str(error)) from error
    if found is None:
        raise Malformed("null")
    return found


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    wait_s = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
    if status == 429 or (status == 503 and wait_s is not None):
        raise Busy(wait_s)
    if status >= 500:
        raise Failed(f"HTTP {status}")
    if status != 200:
        raise Refused(f"HTTP {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Malformed("a compressed body, which was not asked for")


async def _body(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise Malformed(f"more than {limit} bytes")
    return bytes(body)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110), a day at most; None without one
    that can be read."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return min(float(header.strip()[:9]), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), RETRY_AFTER_MAX_S)
