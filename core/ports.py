"""What the domain asks of the world outside, as protocols. Their implementations are adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Literal, Protocol
from uuid import UUID

from core.errors import DomainError

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


AdapterKind = Literal["JSON_FEED", "TMDB"]


@dataclass(frozen=True, slots=True)
class PlatformLimits:
    """How often a platform may be asked: what is None does not count. `burst` may come at once."""

    per_second: int | None = None
    per_minute: int | None = 100
    per_hour: int | None = None
    burst: int | None = None


@dataclass(frozen=True, slots=True)
class PlatformFeed:
    """Where a platform is asked, and how: operators' words. `options` are the adapter's own."""

    platform_id: UUID
    slug: str
    kind: AdapterKind
    url: str
    regions: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: PlatformLimits = PlatformLimits()


@dataclass(frozen=True, slots=True)
class PlatformTitle:
    """A title as platforms know it: by its numbers in other catalogues, which may be missing."""

    id: UUID
    kind: str
    imdb_id: str | None = None
    tmdb_id: str | None = None
    wikidata_id: str | None = None


@dataclass(frozen=True, slots=True)
class PlatformOffer:
    """One offer as a platform tells it, for one of the titles that were asked about."""

    title_id: UUID
    region: str
    tier: str
    available: bool = True
    price_minor: int | None = None
    asset: str | None = None
    link: str | None = None
    available_from: datetime | None = None
    available_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlatformAnswer:
    """What a platform says. `covered` are the titles of which it said all that it has in the
    region; of others, only what stands in `offers` is known. `error` ended it early, if any did.
    `rejected` counts what could not be read: it tells nothing about its title."""

    offers: tuple[PlatformOffer, ...]
    covered: frozenset[UUID]
    rejected: int = 0
    error: DomainError | None = None


@dataclass(frozen=True, slots=True)
class PlatformFinding:
    """A title of a platform's own catalogue, by the platform's own name for it."""

    ref: str
    name: str
    year: int | None = None


class PlatformAdapter(Protocol):
    """Asks one platform. Each method raises `PlatformUnavailable`, `PlatformRateLimited` or
    `PlatformInvalidResponse`, and nothing else: none of them says that a title is gone."""

    async def authenticate(self) -> None:
        """Make sure that the platform answers us."""

    async def search(self, words: str, *, limit: int = 20) -> list[PlatformFinding]:
        """Titles by name; none where the platform cannot be searched."""

    async def details(self, ref: str) -> PlatformFinding | None:
        """One title of the platform's; None where there is none."""

    async def check(self, titles: Sequence[PlatformTitle], region: str) -> PlatformAnswer:
        """What the platform has of at most 100 titles in a region."""

    def rate_limits(self) -> PlatformLimits:
        """How often it may be asked."""

    async def genres(self) -> list[str]:
        """Names of the platform's genres; none where it has none to tell."""

    async def trending(self) -> list[PlatformFinding]:
        """What moves the platform's viewers now; none where it does not tell."""


class Platforms(Protocol):
    """Makes adapters of feeds, and keeps what they know of their platforms between calls."""

    def check(self, feed: PlatformFeed) -> None:
        """Raises `InvalidInput` for a feed that cannot be asked: its address, its options."""

    def adapter(self, feed: PlatformFeed) -> PlatformAdapter:
        """The guarded adapter of a feed. Raises `InvalidInput` as `check` does."""

    async def close(self) -> None:
        """Close every connection."""


class Embedder(Protocol):
    """Turns texts into vectors in which what means alike is near. It computes and blocks: never
    called on the event loop; two threads may call it at once."""

    @property
    def name(self) -> str:
        """Of the model and its version, a-z, 0-9, `.`, `_` and `-`, 60 characters at most: vectors
        of two names are never compared."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector, 2,000 at most."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector for each text, of length 1. Long texts are cut as the model needs it."""


@dataclass(frozen=True, slots=True)
class Classified:
    """How well a photo shows what it is to show: `score` from 0 (it does not) to 1, `confidence` in
    that from 0 to 1, and why, in words for the player (500 characters at most)."""

    score: float
    confidence: float
    words: str


class Classifier(Protocol):
    """Looks at photos of quests. It computes and blocks: never called on the event loop. Raises
    what it likes where it cannot tell."""

    def classify(self, photo: bytes, category: str) -> Classified:
        """Whether a photo (an encoded picture, without metadata) shows a deed of a category, named
        by its slug."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a process has of the world outside; chosen by app and cli."""

    payments: PaymentProvider
    storage: Storage
    couriers: Couriers
    platforms: Platforms
    embedder: Embedder | None = None
