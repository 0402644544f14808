"""Connections whose kernel keeps little that is not read: with megabytes between, as usual, a
server would not notice for long that a client has stopped."""

from __future__ import annotations

import asyncio
import socket

NARROW_BYTES = 4_096


async def narrow_socket(port: int) -> socket.socket:
    """A connection to 127.0.0.1. Raises `OSError` where nobody listens."""
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    except BaseException:
        made.close()
        raise
    return made
