"""Whether a client is still there: pings, and a time to answer them in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pulse:
    """Calls `ping` each `every_s` of silence, and `gone` where nothing is heard within `within_s`
    of a ping; without `gone`, pings alone. Begins with `start` and ends with `stop`."""

    __slots__ = ("_asked", "_every_s", "_gone", "_ping", "_timer", "_within_s")

    def __init__(
        self,
        ping: Callable[[], object],
        gone: Callable[[], object] | None,
        *,
        every_s: float,
        within_s: float,
    ) -> None:
        self._ping = ping
        self._gone = gone
        self._every_s = every_s
        self._within_s = within_s
        self._asked = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The next ping is `every_s` from now."""
        self._after(self._every_s, self._beat)

    def heard(self) -> None:
        """The client has said something."""
        if self._asked:
            self._asked = False
            self._after(self._every_s, self._beat)

    def stop(self) -> None:
        """Call nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._ping()
        if self._gone is None:
            self._after(self._every_s, self._beat)
        else:
            self._asked = True
            self._after(self._within_s, self._gone)

    def _after(self, delay_s: float, call: Callable[[], object]) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(delay_s, call)
