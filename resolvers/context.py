"""What an operation is given: the server's parts, who asks, and loaders of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from core.database import Database, Transaction
from core.errors import BadUserInput, Unauthenticated
from core.ids import new_id
from core.pagination import PageRequest, page_request
from core.ports import Classifier, Couriers, PaymentProvider, Platforms, Ports, Storage
from core.settings import Settings
from core.tokens import KeyRing, TokenPolicy
from loaders.base import Loaders
from loaders.pages import Order
from services.auctions.queue import BidQueue
from services.quests.forecasting import Forecaster
from services.search.encoding import Encoder
from services.search.engine import SearchEngine
from services.search.history import SearchRecorder
from services.spending import Spending
from services.users.access import Viewer
from services.users.passwords import Passwords
from services.users.revocations import Revocations
from services.users.throttle import Throttle
from services.wallets.queue import TransferQueue
from subscriptions.crowds import Outlet, Resuming
from subscriptions.hub import Hub
from subscriptions.live import Live
from subscriptions.log import LogEvent
from subscriptions.search import LiveSearches

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """The parts of one server process; made in `app.py`, passed down, never a global."""

    settings: Settings
    db: Database
    hub: Hub
    bids: BidQueue
    transfers: TransferQueue
    keys: KeyRing
    tokens: TokenPolicy
    passwords: Passwords
    revocations: Revocations
    throttle: Throttle
    spending: Spending
    payments: PaymentProvider
    storage: Storage
    live: Live
    couriers: Couriers
    platforms: Platforms
    encoder: Encoder
    engine: SearchEngine
    searches: LiveSearches
    searched: SearchRecorder
    forecaster: Forecaster = field(default_factory=Forecaster)
    classifier: Classifier | None = None

    @property
    def ports(self) -> Ports:
        """What jobs need of the world outside."""
        embedder = self.encoder.embedder
        return Ports(self.payments, self.storage, self.couriers, self.platforms, embedder)


@dataclass(slots=True)
class Place:
    """How far the stream of an operation is: what its transport says and learns of it."""

    after: str | None = None
    """The cursor that the client goes on after, whatever the operation's argument says."""
    event: LogEvent | None = None
    """The event that the last result answers; None for what is no event of the log."""
    begun: Callable[[str], None] | None = None
    """Told the cursor where the stream begins, once that is known."""


@dataclass(slots=True)
class OperationContext:
    """One operation's view of the server. A WebSocket's operations each get their own.

    `connection_id` names the socket, where it is one; `standings` batches what Redis is asked.
    """

    server: Server
    viewer: Viewer | None
    request_id: str
    address: str | None
    user_agent: str
    loaders: Loaders
    connection_params: dict[str, Any] = field(default_factory=dict)
    began_at: float = field(default_factory=time.perf_counter)
    shared: dict[str, Any] | None = None
    """What all who get the event that is answered now have in common; None outside of events."""
    connection_id: str | None = None
    standings: DataLoader[UUID, Any] | None = None
    outlet: Outlet | None = None
    """Where a crowd may write the answers of this operation; None off sockets."""
    resuming: Resuming | None = None
    """Where the operation goes on that a crowd has let go."""
    tells_cost: bool = False
    """Whether the answer is to say what it cost."""
    feeding: AsyncGenerator[LogEvent, None] | None = None
    """The events of a crowd whose own run this is; None for everybody else."""
    place: Place | None = None
    """Where the stream is told of, if its transport asks."""

    def fresh(self) -> OperationContext:
        """The same asker with loaders that remember nothing."""
        return replace(
            self,
            loaders=Loaders(self.server.db, self.viewer_id),
            began_at=time.perf_counter(),
            shared=None,
            standings=None,
        )

    def for_everyone(self) -> OperationContext:
        """The context of an answer that people share: nobody's."""
        common = Loaders(self.server.db) if self.shared is None else self.loaders.common
        nobodys = common or Loaders(self.server.db)
        return replace(self, viewer=None, loaders=nobodys, standings=None, connection_id=None)

    @property
    def viewer_key(self) -> Hashable:
        """Equal for those who may see the same: nobody, or one user with the same scopes."""
        viewer = self.viewer
        return None if viewer is None else (viewer.user_id, frozenset(viewer.scopes))

    def forget(self) -> None:
        """Remember nothing of what was read so far: a mutation has changed it."""
        self.loaders = Loaders(self.server.db, self.viewer_id)
        self.standings = None

    def begin_event(self, event: LogEvent) -> None:
        """Loaders for one event of a subscription: nothing is remembered from the event before,
        and what does not depend on the viewer is read once for all who get the same event."""
        self.read_with(event.shared)
        self.standings = None
        self.began_at = time.perf_counter()
        if self.place is not None:
            self.place.event = event

    def resume_after(self, after: str | None) -> str | None:
        """Where a field's stream goes on: after what the client had last, if its transport says so,
        else after the field's argument."""
        return after if self.place is None or self.place.after is None else self.place.after

    def read_with(self, shared: dict[str, Any]) -> None:
        """Forget, and read what does not depend on the viewer once for all who have `shared`."""
        common = shared.get("loaders")
        if common is None:
            common = shared["loaders"] = Loaders(self.server.db)
        self.loaders = Loaders(self.server.db, self.viewer_id, common)
        self.shared = shared

    def renew(self) -> None:
        """Loaders for the next thing a subscription pushes that is no event of the log."""
        self.forget()
        self.shared = None
        self.began_at = time.perf_counter()

    @property
    def socket(self) -> str:
        """Names the connection; an operation without a socket is one of its own."""
        if self.connection_id is None:
            self.connection_id = new_id().hex
        return self.connection_id

    @property
    def viewer_id(self) -> UUID | None:
        """Who asks, or None."""
        return None if self.viewer is None else self.viewer.user_id

    def signed_in(self) -> Viewer:
        """The viewer of a field declared `authenticated`. Raises `Unauthenticated` without one."""
        if self.viewer is None:
            raise Unauthenticated("TOKEN_MISSING")
        return self.viewer

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """One unit of work; see `Database.transaction`."""
        return await self.server.db.transaction(work)

    def page_request(
        self,
        order: Order,
        first: int | None,
        after: str | None,
        last: int | None,
        before: str | None,
    ) -> PageRequest:
        """Relay's arguments, checked against this server's page limits."""
        settings = self.server.settings
        return page_request(
            order.key,
            first=first,
            after=after,
            last=last,
            before=before,
            default=min(settings.page_default, settings.page_max),
            maximum=settings.page_max,
        )

    def checked_first(self, first: int, *, maximum: int) -> int:
        """`first` of a bounded list. Raises `BadUserInput` outside 0 … maximum."""
        if not 0 <= first <= maximum:
            raise BadUserInput(f"first must be from 0 to {maximum}", {"maximum": maximum})
        return first
