"""What the domain asks of the world outside, as protocols. Their implementations are adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Literal, Protocol

PaymentStatus = Literal["PENDING", "SETTLED", "FAILED"]


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
