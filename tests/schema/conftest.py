"""A server over the test run's own PostgreSQL and Redis, people who are signed in, and lots.

`execute`, `ask` and `stream` run operations in this process; `post` goes over HTTP through a whole
application, a second process in all but name: it shares the database, Redis and the keys.
"""

import itertools
import types
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from asgi_lifespan import LifespanManager
from sqlalchemy import event, text

from app import create_app, make_server
from core.clock import utc_now
from core.ids import encode_id, new_id
from core.settings import Settings
from core.tokens import ensure_keys, issue_access_token, verify_access_token
from loaders.base import Loaders
from models.users import Profile, UserAccount, UserRole
from resolvers.context import OperationContext
from schema.build import build_schema
from services.auctions import selling, stalls
from services.auctions.bidding import bid_request
from services.users.access import Viewer, scopes_of, session_public_id, viewer_of


@dataclass(frozen=True)
class Person:
    """Someone signed in."""

    id: UUID
    username: str
    token: str
    viewer: Viewer

    @property
    def public_id(self) -> str:
        return encode_id("usr", self.id)


@dataclass(frozen=True)
class Lot:
    """An auction, and what stands behind it."""

    id: UUID
    seller: Person
    stall_id: UUID
    product_id: UUID

    @property
    def public_id(self) -> str:
        return encode_id("auc", self.id)


@pytest.fixture(scope="session")
def schema():
    return build_schema()


@pytest.fixture(scope="session")
def signing_keys_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signing-keys")
    ensure_keys(folder, "EdDSA")
    return folder


@pytest.fixture
def settings(database_url, redis_url, redis_prefix, signing_keys_dir, tmp_path) -> Settings:
    return Settings(
        profile="test",
        state_dir=tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        bus_prefix=redis_prefix,
        signing_keys_dir=signing_keys_dir,
        signing_algorithm="EdDSA",
        argon2_memory_kib=8,
        argon2_time_cost=1,
        pool_max=8,
        jobs=False,
        demo=False,
    )


@pytest.fixture
async def server(settings):
    """One process's parts, started as the application starts them."""
    made = make_server(settings)
    await made.hub.start(made.db)
    await made.revocations.start()
    async with made.live.running():
        yield made
    await made.searches.close()
    await made.searched.close()
    await made.bids.close()
    await made.revocations.close()
    await made.hub.close()
    await made.throttle.close()
    made.passwords.close()
    await made.db.close()


@pytest.fixture
def context_for(server):
    """`context_for(person)`: the context that a transport would make; None is nobody."""

    def make(person: Person | None = None) -> OperationContext:
        viewer = None if person is None else person.viewer
        return OperationContext(
            server=server,
            viewer=viewer,
            request_id="request-in-a-test",
            address="192.0.2.1",
            user_agent="tests/1",
            loaders=Loaders(server.db, viewer.user_id if viewer else None),
        )

    return make


@pytest.fixture
def execute(schema, context_for):
    """`await execute(query, person, **variables)`: the result, with its errors."""

    async def run(query: str, person: Person | None = None, **variables: Any):
        return await schema.execute(
            query, variable_values=variables, context_value=context_for(person)
        )

    return run


@pytest.fixture
def ask(execute):
    """As `execute`, for what must not fail: the data."""

    async def run(query: str, person: Person | None = None, **variables: Any) -> dict[str, Any]:
        result = await execute(query, person, **variables)
        assert result.errors is None, result.errors
        return result.data

    return run


@pytest.fixture
def stream(schema, context_for):
    """`await stream(query, person, **variables)`: the results of a subscription, to be closed."""

    async def run(query: str, person: Person | None = None, **variables: Any):
        return await schema.stream(
            query, variable_values=variables, context_value=context_for(person)
        )

    return run


@pytest.fixture
async def app(settings):
    """The whole application, started. Its bids, hub and pool are its own."""
    application = create_app(settings)
    async with LifespanManager(application):
        yield application


@pytest.fixture
async def client(app):
    """An HTTP client of `app`; an exception that escapes is answered, as a server would."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://mela.test") as made:
        yield made


@pytest.fixture
def post(client):
    """`await post(query, person, **variables)`: the response to a POST of JSON."""

    async def send(
        query: str, person: Person | None = None, *, headers: Any = None, **variables: Any
    ) -> httpx.Response:
        sent = dict(headers or {})
        if person is not None:
            sent["Authorization"] = f"Bearer {person.token}"
        body = {"query": query, "variables": variables}
        return await client.post("/graphql", json=body, headers=sent)

    return send


@pytest.fixture
def make_user(server, fund):
    """`await make_user("ada", roles=["ARTISAN"], scopes=None)`: a person with a token, and with
    `funds` (minor units of USD; 0 for none) to bid with.

    No password and no session row: signing in is the users' tests' business.
    """
    numbers = itertools.count(1)

    async def make(
        username: str | None = None,
        *,
        roles: tuple[str, ...] = (),
        scopes: Any = None,
        funds: int = 10**12,
    ) -> Person:
        name = username or f"user_{next(numbers)}"
        user_id = new_id()

        async def work(tx):
            account = UserAccount(
                id=user_id, email=f"{name}@mela.test", username=name, display_name=name.title()
            )
            account.password_hash = "-"
            tx.add(account)
            await tx.flush()
            tx.add(Profile(user_id=user_id))
            tx.add_all([UserRole(user_id=user_id, role=role) for role in roles])

        await server.db.transaction(work)
        if funds:
            await fund(server.db, user_id, amount_minor=funds)
        now = utc_now()
        issued = issue_access_token(
            server.keys,
            server.tokens,
            subject=encode_id("usr", user_id),
            session_id=session_public_id(new_id()),
            scopes=scopes_of(roles) if scopes is None else scopes,
            tier="FREE",
            now=now,
        )
        claims = verify_access_token(server.keys, server.tokens, issued.token, now=now)
        return Person(user_id, name, issued.token, viewer_of(claims))

    return make


@pytest.fixture
def open_stall(server):
    """`await open_stall(seller)`: the id of a new stall."""
    numbers = itertools.count(1)

    async def make(seller: Person, **fields: Any) -> UUID:
        number = next(numbers)
        given = {"name": f"Stall {number}", "slug": f"stall-{number}", **fields}
        return await server.db.transaction(
            partial(stalls.create_stall, owner_id=seller.id, **given)
        )

    return make


@pytest.fixture
def list_product(server):
    """`await list_product(seller, stall_id, **details)`: the id of a new product, in USD."""

    async def make(seller: Person, stall_id: UUID, **details: Any) -> UUID:
        given = {
            "kind": "PHYSICAL",
            "name": "Bowl",
            "category": "Pottery",
            "asset": "USD",
            **details,
        }
        return await server.db.transaction(
            partial(
                stalls.create_product,
                viewer_id=seller.id,
                stall_id=stall_id,
                details=stalls.ProductDetails(**given),
            )
        )

    return make


@pytest.fixture
def open_lot(server, make_user, open_stall, list_product):
    """`await open_lot(seller=None, product={}, **terms)`: an open lot, 1.00 USD, an hour to go."""
    stalls_of: dict[UUID, UUID] = {}

    async def make(
        seller: Person | None = None, *, product: dict[str, Any] | None = None, **terms: Any
    ) -> Lot:
        seller = seller or await make_user(roles=("ARTISAN",))
        if seller.id not in stalls_of:
            stalls_of[seller.id] = await open_stall(seller)
        stall_id = stalls_of[seller.id]
        product_id = await list_product(seller, stall_id, **(product or {}))
        given = {"starting_price_minor": 100, "ends_at": utc_now() + timedelta(hours=1), **terms}
        lot_id = await server.db.transaction(
            partial(
                selling.create_auction,
                viewer_id=seller.id,
                product_id=product_id,
                terms=selling.Terms(**given),
            )
        )
        return Lot(lot_id, seller, stall_id, product_id)

    return make


@pytest.fixture
def bid(server):
    """`await bid(person, lot, maximum_minor)`: the accepted bid; raises its refusal."""

    async def place(person: Person, lot: Lot, maximum_minor: int, key: str | None = None):
        return await server.bids.place(
            bid_request(
                auction_id=lot.id,
                bidder_id=person.id,
                maximum_minor=maximum_minor,
                idempotency_key=key or new_id().hex,
            )
        )

    return place


@pytest.fixture
def sql(server):
    """`await sql("SELECT …", name=value)`: the rows; `UPDATE …` works as well."""

    async def run(statement: str, **parameters: Any):
        async with server.db.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else []

    return run


# What moves by itself, or keeps no rows of a domain.
OTHERS = "alembic_version|pgqueuer.*"


@pytest.fixture
def snapshot(sql):
    """`await snapshot()`: all rows of all tables, to prove that a refusal wrote nothing."""

    async def read() -> dict[str, list[str]]:
        tables = await sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            f" AND tablename !~ '^({OTHERS})$' ORDER BY tablename"
        )
        return {
            table: sorted(row[0] for row in await sql(f"SELECT CAST(t AS text) FROM {table} AS t"))
            for (table,) in tables
        }

    return read


@pytest.fixture
def statements(server):
    """The statements sent to the database; clear it before what is to be counted."""
    sent: list[str] = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(server.db.engine.sync_engine, "before_cursor_execute", before)
    yield sent
    event.remove(server.db.engine.sync_engine, "before_cursor_execute", before)


@pytest.fixture
def shapes() -> types.SimpleNamespace:
    """Checks of this file, which tests cannot import."""

    def codes(result: Any) -> list[str]:
        """The codes of a result's errors, whether an object or JSON."""
        errors = result["errors"] if isinstance(result, dict) else result.errors or []
        return [(e["extensions"] if isinstance(e, dict) else e.extensions)["code"] for e in errors]

    def is_shaped(error: dict[str, Any]) -> bool:
        """The promised shape of a top-level error in JSON."""
        extensions = error["extensions"]
        moment = datetime.fromisoformat(extensions["timestamp"])
        return (
            bool(error["message"])
            and extensions.keys() == {"code", "requestId", "timestamp", "details"}
            and bool(extensions["requestId"])
            and isinstance(extensions["details"], dict)
            and abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
        )

    return types.SimpleNamespace(codes=codes, is_shaped=is_shaped)
