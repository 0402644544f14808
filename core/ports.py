"""What the domain asks of the world outside, as protocols. Their implementations are adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Literal, Protocol

PaymentStatus = Literal["PENDING", "SETTLED", "FAILED"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of plain text. `id` is ours, for ever the same for one mail: letters, digits, - and _,
    100 characters at most."""

    id: str
    to: str
    name: str
    subject: str
    text: str


class Mailer(Protocol):
    """Hands mails over. Raises what it likes where that failed and the mail is surely not on its
    way."""

    @property
    def repeatable(self) -> bool:
        """Whether a mail handed over twice is still seen once."""

    async def send(self, mail: Mail) -> None:
        """Hand one mail over; gives up after some seconds."""


@dataclass(frozen=True, slots=True)
class Push:
    """A message to one browser: 3,000 bytes of JSON at most. `topic` lets a newer one take the
    place of an older one that was not shown yet: 32 characters of A-Z, a-z, 0-9, - and _."""

    endpoint: str
    p256dh: str
    auth: str
    topic: str
    body: str


PushAnswer = Literal["TAKEN", "GONE"]


class Pusher(Protocol):
    """Hands messages to push services (RFC 8030). Raises what it likes where that failed and the
    message is surely not on its way."""

    @property
    def public_key(self) -> str:
        """What a browser needs to subscribe: the VAPID key, base64url."""

    async def push(self, push: Push) -> PushAnswer:
        """GONE: the browser has unsubscribed, for ever."""


@dataclass(frozen=True, slots=True)
class Couriers:
    """What carries messages out of the house; `pusher` is None where nobody set up web push."""

    mailer: Mailer
    pusher: Pusher | None


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """What a provider is to do. `id` is ours, for ever the same for one payment; the amount is in
    minor units of an ISO 4217 currency."""

    id: str
    asset: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PaymentReply:
    """How far it has got, and the provider's own name for it (200 characters at most). PENDING is
    followed by a signed webhook."""

    status: PaymentStatus
    reference: str | None = None


class PaymentProvider(Protocol):
    """Moves money between people and the platform outside. Both methods may be called again with
    the same order, after a crash, by a retry or because no webhook came, and then do nothing twice
    but say how far it has got; an order that never reached the provider is begun. They raise what
    they like when the provider cannot be reached: the payment stays PENDING. Only FAILED and
    SETTLED end it, so a provider that has forgotten an order must not call it FAILED."""

    @property
    def name(self) -> str:
        """Names the provider in our rows."""

    async def deposit(self, order: PaymentOrder) -> PaymentReply:
        """Take the amount from the person."""

    async def withdraw(self, order: PaymentOrder) -> PaymentReply:
        """Pay the amount out to the person."""


class Storage(Protocol):
    """Keeps files under keys of our making (`core.files.new_file_key`); any other key is refused
    with `ValueError`. A file is there whole or not at all."""

    async def put(self, key: str, content: IO[bytes]) -> None:
        """Keep what `content` has from its beginning, replacing what the key had."""

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """The file in pieces. Raises `FileNotFoundError` at once where there is none."""

    async def delete(self, key: str) -> None:
        """Forget the file; nothing happens where there is none."""

    async def exists(self, key: str) -> bool:
        """Whether there is a file."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a process has of the world outside; chosen by app and cli."""

    payments: PaymentProvider
    storage: Storage
    couriers: Couriers
