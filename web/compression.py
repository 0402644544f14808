"""Compressed answers, by what the client takes: zstd, Brotli or gzip. Only text that is one body;
never streams, whose events would wait in the compressor, and never what is compressed already.

An answer holds no secret beside what somebody else could have put into it: people sign in by a
header that no other site's page can send, so that compression tells nobody anything (BREACH).
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

MIN_BYTES: Final = 1_024
"""Smaller answers are sent as they are: they fit into a packet anyway."""

for _stream in ("text/event-stream", "multipart/mixed"):
    remove_compress_type(_stream)
add_compress_type("application/graphql-response+json")


def compressed(app: ASGIApp) -> ASGIApp:
    """The application, whose larger answers are compressed."""
    return CompressMiddleware(app, minimum_size=MIN_BYTES)
