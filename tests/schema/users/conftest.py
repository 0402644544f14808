"""The real schema over a real server's parts; each call is one operation with its own context."""

import itertools

import pytest
from sqlalchemy import event, insert

from adapters.couriers import make_couriers
from adapters.payments import SandboxPaymentProvider
from adapters.platforms.making import make_platforms
from adapters.storage import open_storage
from core.database import Database
from core.settings import Settings
from core.tokens import TokenPolicy, ensure_keys
from loaders.base import Loaders
from models.user_tables import roles
from resolvers.context import OperationContext, Server
from schema.build import build_schema
from services.auctions.queue import BidQueue
from services.search.encoding import Encoder
from services.search.engine import make_engine
from services.search.history import SearchRecorder
from services.spending import make_spending
from services.users.passwords import Passwords
from services.users.revocations import Revocations
from services.users.throttle import Throttle
from services.wallets.queue import TransferQueue
from subscriptions.hub import Hub
from subscriptions.live import make_live
from subscriptions.search import make_live_searches
from web.graphql import viewer_from

PASSWORD = "correct horse battery"

SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) {
    __typename
    ... on AuthSuccess { accessToken refreshToken expiresAt user { id username } }
    ... on Error { message code }
    ... on InvalidInput { field reason }
  }
}
"""


@pytest.fixture(scope="session")
def schema():
    return build_schema()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return ensure_keys(tmp_path_factory.mktemp("keys"), "EdDSA")


@pytest.fixture(scope="session")
def passwords():
    cheap = Passwords(memory_kib=8, time_cost=1)
    yield cheap
    cheap.close()


@pytest.fixture
async def server(database_url, redis_url, redis_prefix, keys, passwords, tmp_path):
    settings = Settings(
        profile="test",
        database_url=database_url,
        redis_url=redis_url,
        bus_prefix=redis_prefix,
        state_dir=tmp_path,
        presence_heartbeat_s=0.2,
        presence_expiry_s=1.0,
        presence_sweep_s=0.1,
        presence_write_s=0.2,
        typing_s=0.5,
    )
    hub = Hub("memory://")
    db = Database(database_url, after_commit=hub.publish)
    encoder = Encoder(None)
    engine = make_engine(settings, db, encoder)
    made = Server(
        settings=settings,
        db=db,
        hub=hub,
        bids=BidQueue(db),
        transfers=TransferQueue(db),
        keys=keys,
        tokens=TokenPolicy(),
        passwords=passwords,
        revocations=Revocations(db, redis_url, prefix=redis_prefix, access_token_s=900),
        throttle=Throttle(
            redis_url, prefix=redis_prefix, tries_per_account=10, tries_per_address=100
        ),
        spending=make_spending(settings, redis_url),
        payments=SandboxPaymentProvider(),
        storage=open_storage(None, folder=tmp_path),
        live=make_live(settings, db, redis_url),
        couriers=make_couriers(settings),
        platforms=make_platforms(settings),
        encoder=encoder,
        engine=engine,
        searched=SearchRecorder(db),
        searches=make_live_searches(settings, db, hub.bells, engine.search),
    )
    await hub.start(db)
    async with made.live.running():
        yield made
    await hub.close()
    await made.revocations.close()
    await made.throttle.close()
    await db.close()


@pytest.fixture
def run(schema, server):
    """`await run(query, by=token, …, **variables)`: the result of one operation."""

    async def run(query, *, by=None, **variables):
        viewer = viewer_from(server, by and f"Bearer {by}")
        context = OperationContext(
            server=server,
            viewer=viewer,
            request_id="r",
            address="192.0.2.1",
            user_agent="tests/1",
            loaders=Loaders(server.db, viewer.user_id if viewer else None),
        )
        return await schema.execute(query, variable_values=variables, context_value=context)

    return run


@pytest.fixture
def ask(run):
    """As `run`, for what must not fail: the data."""

    async def ask(query, **options):
        result = await run(query, **options)
        assert result.errors is None, result.errors
        return result.data

    return ask


@pytest.fixture
def stream(schema, server):
    """`await stream(query, by=token, …)`: the results of one subscription."""

    async def stream(query, *, by=None, connection=None, **variables):
        viewer = viewer_from(server, by and f"Bearer {by}")
        context = OperationContext(
            server=server,
            viewer=viewer,
            request_id="r",
            address=None,
            user_agent="tests/1",
            loaders=Loaders(server.db, viewer.user_id if viewer else None),
            connection_id=connection,
        )
        return await schema.stream(query, variable_values=variables, context_value=context)

    return stream


@pytest.fixture
def join(ask):
    """`await join("ada")` signs up and returns Ada: `id`, `token`, `refresh`."""
    numbers = itertools.count(1)

    class Person:
        def __init__(self, answer):
            self.id = answer["user"]["id"]
            self.username = answer["user"]["username"]
            self.token = answer["accessToken"]
            self.refresh = answer["refreshToken"]

    async def join(username=None):
        username = username or f"user_{next(numbers)}"
        given = {"email": f"{username}@mela.test", "username": username, "password": PASSWORD}
        return Person((await ask(SIGN_UP, input=given))["signUp"])

    return join


@pytest.fixture
def promote(server, ask):
    """`await promote(person, "ADMIN")` gives a role and a token that carries it."""
    renew = """
    mutation ($token: String!) {
      refreshToken(input: {refreshToken: $token}) {
        ... on AuthSuccess { accessToken refreshToken }
      }
    }
    """

    async def promote(person, role):
        from core.ids import decode_id

        async with server.db.engine.begin() as connection:
            await connection.execute(
                insert(roles).values(user_id=decode_id(person.id, "usr"), role=role)
            )
        answer = (await ask(renew, token=person.refresh))["refreshToken"]
        person.token, person.refresh = answer["accessToken"], answer["refreshToken"]
        return person

    return promote


@pytest.fixture
def statements(server):
    """The statements sent to the database; clear it before what is to be counted."""
    sent = []

    def before(conn, cursor, statement, *rest):
        sent.append(statement)

    event.listen(server.db.engine.sync_engine, "before_cursor_execute", before)
    yield sent
    event.remove(server.db.engine.sync_engine, "before_cursor_execute", before)
