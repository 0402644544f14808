"""A small world of things that can be found, made and changed by the real rules; and what the index
must hold, worked out from what was done."""

from __future__ import annotations

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import text

from core.database import Database
from core.errors import DomainError
from core.ids import new_id
from jobs.following import Follower
from services.auctions.closing import cancel_auction, close_auction
from services.auctions.selling import Terms, create_auction
from services.auctions.stalls import (
    ProductDetails,
    create_product,
    create_stall,
    delete_product,
    update_product,
    update_stall,
)
from services.content.moderation import moderate_content
from services.content.posts import (
    PostDetails,
    archive_post,
    create_post,
    delete_post,
    publish_post,
    update_post,
)
from services.quests.quests import (
    QuestDetails,
    close_quest,
    create_quest,
    open_quest,
    pause_quest,
)
from services.quests.zones import create_category
from services.search.feeding import CONSUMER, take_events
from services.search.health import index_lag
from services.users.access import Viewer
from services.users.accounts import NewAccount, set_user_status, sign_up
from services.users.profiles import update_profile
from services.users.sessions import Client

FAR = datetime(2100, 1, 1, tzinfo=UTC)
EVERYTHING = frozenset(
    {"post:delete", "comment:delete", "user:suspend", "user:delete", "admin:users", "user:warn"}
)
BLOCKS = [{"type": "paragraph", "text": "Glaze and patience"}]


class IndexWorld:
    """Things by kind, with what decides whether they are found."""

    def __init__(self, url):
        self.db = Database(url)
        self.follower = Follower(self.db, CONSUMER, take_events)
        self.numbers = itertools.count(1)
        self.forget()

    def forget(self):
        """Leave all there is as it stands, and know nothing of it."""
        self.people, self.posts, self.stalls, self.products, self.lots = {}, {}, {}, {}, {}
        self.quests = {}

    async def begin(self):
        self.admin = Viewer(new_id(), new_id(), "t", EVERYTHING, "FREE", FAR)
        await self.sql(
            "INSERT INTO user_account (id, email, username, password_hash, display_name)"
            " VALUES (:id, 'admin@mela.test', 'admin_here', '-', 'Admin')",
            id=self.admin.user_id,
        )
        await self.do(create_category, slug="rivers", name="Rivers")

    async def do(self, service, *args, **kwargs):
        return await self.db.transaction(lambda tx: service(tx, *args, **kwargs))

    async def tried(self, service, *args, **kwargs):
        """Whether the rules let it be done."""
        try:
            await self.do(service, *args, **kwargs)
        except DomainError:
            return False
        return True

    async def sql(self, statement, **parameters):
        async with self.db.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return result.all() if result.returns_rows else []

    async def catch_up(self, timeout_s=10.0):
        """Follow the log to its end: a transaction of another test may hold the end back."""
        deadline = time.monotonic() + timeout_s
        while True:
            await self.follower.catch_up()
            async with self.db.read() as session:
                if not (await index_lag(session)).events:
                    return
            assert time.monotonic() < deadline, "the index did not catch up"
            await asyncio.sleep(0.01)

    # What people do.

    async def person(self):
        name = f"potter_{next(self.numbers)}"
        account = NewAccount(f"{name}@mela.test", name, "-")
        id = await self.do(sign_up, account=account, client=Client())
        self.people[id] = {"status": "ACTIVE", "visibility": "PUBLIC"}
        return id

    async def show(self, person, visibility):
        await self.do(update_profile, user_id=person, changes={"visibility": visibility})
        self.people[person]["visibility"] = visibility

    async def set_status(self, person, status):
        await self.do(
            set_user_status, actor=self.admin, user_id=person, status=status, reason="because"
        )
        self.people[person]["status"] = status

    async def post(self, author, publish=True, **details):
        given = {"title": f"Post {next(self.numbers)}", "blocks": BLOCKS, **details}
        id = await self.do(
            create_post, author_id=author, details=PostDetails(**given), publish=publish
        )
        # Ten a minute would be the rule.
        await self.sql("UPDATE post SET created_at = created_at - interval '1 hour'")
        status = "PUBLISHED" if publish else "DRAFT"
        self.posts[id] = {"author": author, "status": status, "before": None}
        return id

    async def change_post(self, post, how):
        """PUBLISHED, ARCHIVED, DELETED, REMOVED, RESTORED or CHANGED; as the rules let it."""
        known = self.posts[post]
        own = {"viewer_id": known["author"], "post_id": post}
        act = {"actor": self.admin, "prefix": "pst", "subject_id": post, "reason": "because"}
        done = {
            "PUBLISHED": partial(self.tried, publish_post, **own),
            "ARCHIVED": partial(self.tried, archive_post, **own),
            "DELETED": partial(self.tried, delete_post, **own),
            "CHANGED": partial(self.tried, update_post, **own, changes={"title": "Otherwise"}),
            "REMOVED": partial(self.tried, moderate_content, **act, action="REMOVE"),
            "RESTORED": partial(self.tried, moderate_content, **act, action="RESTORE"),
        }[how]
        if not await done() or how == "CHANGED":
            return
        if how == "REMOVED":
            known["before"] = known["status"]
        known["status"] = known["before"] if how == "RESTORED" else how

    async def stall(self, owner):
        id = await self.do(create_stall, owner_id=owner, name=f"Stall {next(self.numbers)}")
        self.stalls[id] = {"owner": owner, "active": True}
        return id

    async def open_stall(self, stall, active):
        known = self.stalls[stall]
        given = {"viewer_id": known["owner"], "stall_id": stall, "changes": {"active": active}}
        if await self.tried(update_stall, **given):
            known["active"] = active

    async def product(self, stall, **details):
        given = {
            "kind": "PHYSICAL",
            "name": f"Bowl {next(self.numbers)}",
            "category": "Ceramics",
            "asset": "USD",
            "price_minor": 2_500,
            "inventory_count": 100,
            **details,
        }
        try:
            id = await self.do(
                create_product,
                viewer_id=self.stalls[stall]["owner"],
                stall_id=stall,
                details=ProductDetails(**given),
            )
        except DomainError:
            return None
        self.products[id] = {"stall": stall, "deleted": False}
        return id

    async def change_product(self, product, **changes):
        owner = self.stalls[self.products[product]["stall"]]["owner"]
        return await self.tried(
            update_product, viewer_id=owner, product_id=product, changes=changes
        )

    async def delete_product(self, product):
        owner = self.stalls[self.products[product]["stall"]]["owner"]
        if await self.tried(delete_product, viewer_id=owner, product_id=product):
            self.products[product]["deleted"] = True

    async def lot(self, product, scheduled=False):
        stall = self.products[product]["stall"]
        now = datetime.now(UTC)
        begins = now + timedelta(days=1) if scheduled else None
        terms = Terms(500, now + timedelta(days=2), starts_at=begins)
        owner = self.stalls[stall]["owner"]
        try:
            id = await self.do(create_auction, viewer_id=owner, product_id=product, terms=terms)
        except DomainError:
            return None
        self.lots[id] = {"stall": stall, "status": "SCHEDULED" if scheduled else "OPEN"}
        return id

    async def end_lot(self, lot, cancel):
        known = self.lots[lot]
        if known["status"] not in ("SCHEDULED", "OPEN"):
            return
        if cancel:
            seller = self.stalls[known["stall"]]["owner"]
            if await self.tried(cancel_auction, lot, viewer_id=seller, is_moderator=True):
                known["status"] = "CANCELLED"
        elif known["status"] == "OPEN":
            await self.do(close_auction, auction_id=lot, now=datetime.now(UTC) + timedelta(days=3))
            known["status"] = "UNSOLD"

    async def quest(self, maker, opened=True, **details):
        now = datetime.now(UTC)
        given = {
            "title": f"Errand {next(self.numbers)}",
            "category": "rivers",
            "opens_at": now - timedelta(days=1),
            "closes_at": now + timedelta(days=30),
            "place": (41.15, -8.61),
            "radius_m": 200,
            **details,
        }
        who = {"actor_id": maker, "manages": False}
        id = await self.do(create_quest, **who, sponsors=True, details=QuestDetails(**given))
        self.quests[id] = {"maker": maker, "status": "DRAFT"}
        if opened:
            await self.turn_quest(id, "OPEN")
        return id

    async def turn_quest(self, quest, status):
        """OPEN, PAUSED or CLOSED; as the rules let it."""
        known = self.quests[quest]
        turn = {"OPEN": open_quest, "PAUSED": pause_quest, "CLOSED": close_quest}[status]
        if await self.tried(turn, actor_id=known["maker"], manages=False, quest_id=quest):
            known["status"] = status

    # What must be found, by what was done, and what is.

    def expected(self):
        active = {id for id, p in self.people.items() if p["status"] == "ACTIVE"}
        public = {id for id in active if self.people[id]["visibility"] == "PUBLIC"}
        selling = {id for id, s in self.stalls.items() if s["active"] and s["owner"] in active}
        yield from (("USER", id) for id in public)
        for id, post in self.posts.items():
            if post["status"] == "PUBLISHED" and post["author"] in public:
                yield "POST", id
        for id, product in self.products.items():
            if not product["deleted"] and product["stall"] in selling:
                yield "PRODUCT", id
        for id, lot in self.lots.items():
            if lot["status"] != "CANCELLED" and lot["stall"] in selling:
                yield "AUCTION", id
        drafts = {id for id, quest in self.quests.items() if quest["status"] == "DRAFT"}
        yield from (("QUEST", id) for id in self.quests.keys() - drafts)

    def known(self):
        """Every thing that was made, whoever may see it."""
        for kind, things in (
            ("USER", self.people),
            ("POST", self.posts),
            ("PRODUCT", self.products),
            ("AUCTION", self.lots),
            ("QUEST", self.quests),
        ):
            yield from ((kind, id) for id in things)

    async def found(self):
        """Every thing that is in the slot in use."""
        rows = await self.sql(
            "SELECT d.kind, d.entity_id FROM search_document AS d JOIN search_slot AS s"
            " ON s.slot = d.slot AND s.state = 'ACTIVE'"
        )
        return {tuple(row) for row in rows}

    async def check_whole(self):
        """Postings, counts and names are just those of the documents that are there."""
        [slot] = await self.sql("SELECT * FROM search_slot WHERE state = 'ACTIVE'")
        n = slot.slot
        terms = f"""
            SELECT d.id, l.lexeme FROM search_document_{n} AS d, unnest(tsvector_to_array(d.terms))
                AS l(lexeme)
        """
        posted = f"SELECT document, term FROM search_posting_{n}"
        assert await self.sql(f"({terms}) EXCEPT ({posted})") == []
        assert await self.sql(f"({posted}) EXCEPT ({terms})") == []
        counted = f"SELECT term, count(*) FROM search_posting_{n} GROUP BY term"
        kept = f"SELECT term, documents FROM search_term_{n}"
        assert await self.sql(f"({counted}) EXCEPT ({kept})") == []
        assert await self.sql(f"({kept}) EXCEPT ({counted})") == []
        named = f"SELECT DISTINCT document FROM search_name_{n}"
        assert await self.sql(f"({named}) EXCEPT (SELECT id FROM search_document_{n})") == []
        starts = f"SELECT document, place, key FROM search_start_{n} WHERE word = 0"
        names = f"SELECT document, place, key FROM search_name_{n}"
        assert await self.sql(f"({starts}) EXCEPT ({names})") == []
        assert await self.sql(f"({names}) EXCEPT ({starts})") == []
        sums = f"SELECT count(*), coalesce(sum(length), 0) FROM search_document_{n}"
        [(documents, length)] = await self.sql(sums)
        assert documents == slot.documents
        assert abs(length - slot.total_length) < 0.01

    async def dump(self, *, impacts=True):
        """All that is in the slot in use, but for when it was written."""
        [slot] = await self.sql("SELECT slot, mean_length FROM search_slot WHERE state = 'ACTIVE'")
        n = slot.slot
        impact = "impact" if impacts else "0"
        return {
            "documents": await self.sql(
                "SELECT (to_jsonb(d) - 'slot' - 'changed_at' - 'facets')::text, ARRAY("
                " SELECT v.facet || ':' || v.value FROM unnest(d.facets) AS f"
                " JOIN search_facet_value AS v ON v.id = f ORDER BY 1)"
                f" FROM search_document_{n} AS d ORDER BY id"
            ),
            "postings": await self.sql(
                f"SELECT term, document, {impact} FROM search_posting_{n} ORDER BY term, document"
            ),
            "terms": await self.sql(f"SELECT term, documents FROM search_term_{n} ORDER BY term"),
            "names": await self.sql(
                "SELECT document, key, kind, owner_id, popularity"
                f" FROM search_name_{n} ORDER BY document, key"
            ),
        }
