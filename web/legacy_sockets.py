"""The older protocol of subscriptions-transport-ws (the subprotocol `graphql-ws`): its words around
`web/sockets.py`, whose rules are the same for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from web.outlets import TextAdapter
from web.pulse import Pulse
from web.socket_messages import Close
from web.sockets import SocketHandler
from web.wire import text_frame

WORDS: Final = {
    "connection_init": "connection_init",
    "start": "subscribe",
    "stop": "complete",
    "connection_terminate": "terminate",
}
KEEP_ALIVE: Final = text_frame(b'{"type":"ka"}')


class LegacyAdapter(TextAdapter):
    """Says in the older words what is said in the newer ones."""

    result_head = b'{"id":%b,"type":"data","payload":'

    async def send_json(self, message: Mapping[str, object]) -> None:
        """As the base's; of several errors the first is told, there is room for one."""
        match message:
            case {"type": "next"}:
                message = {**message, "type": "data"}
            case {"type": "error", "payload": [first, *_]}:
                message = {**message, "payload": first}
        await super().send_json(message)


class LegacyHandler(SocketHandler):
    """subscriptions-transport-ws. There is no ping in it: clients are told that the server is there
    (`ka`), and are pinged by frames."""

    words = WORDS

    def __init__(
        self,
        *,
        view: Any,
        websocket: TextAdapter,
        keep_alive: bool,
        keep_alive_interval: float | None,
        **options: Any,
    ) -> None:
        super().__init__(
            view=view,
            websocket=LegacyAdapter(view, websocket.ws, websocket.ws),
            connection_init_wait_timeout=view.connection_init_wait_timeout,
            **options,
        )

    async def handle_connection_init(self, message: Any) -> None:
        """As the base's. `ka` behind the acknowledgement tells that there will be more."""
        await super().handle_connection_init(message)
        if self._pulse is not None:
            await self.send_message(cast(Any, {"type": "ka"}))

    async def reject(self, code: Close, reason: str) -> None:
        """Say why before the socket is closed."""
        said: Any = {"type": "connection_error", "payload": {"message": reason}}
        await self.send_message(said)
        await super().reject(code, reason)

    def pulse(self) -> Pulse | None:
        """See the base's; what nobody answers finds nobody out."""
        every_s, wire = self.context.server.settings.socket_ping_s, self.websocket.wire
        if wire is None or not every_s:
            return None
        pulse = Pulse(lambda: wire.write_frame(KEEP_ALIVE), None, every_s=every_s, within_s=0)
        pulse.start()
        return pulse

    async def handle_subscribe(self, message: Any) -> None:
        """As the base's; an id that is in use is given to the new operation."""
        await self.cleanup_operation(message["id"])
        await super().handle_subscribe(message)

    async def handle_terminate(self, message: Any) -> None:
        """The client leaves."""
        await self.websocket.close(1000, "")
