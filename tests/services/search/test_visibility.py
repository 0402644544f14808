"""Nothing private, draft, closed, cancelled or removed is in the index once it has caught up,
whatever people did in whatever order; and everything else is."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.services.search.index_world import IndexWorld

STATUSES = ("ACTIVE", "SUSPENDED", "DELETED")
POST_CHANGES = ("PUBLISHED", "ARCHIVED", "DELETED", "REMOVED", "RESTORED", "CHANGED")
QUEST_STATUSES = ("OPEN", "PAUSED", "CLOSED")
EXAMPLES = 15
STEPS = 15


class Runner:
    """One database for all examples, with a loop of its own: hypothesis' rules are not async."""

    def __init__(self, url):
        self.runner = asyncio.Runner()
        self.world = IndexWorld(url)
        self.run(self.world.begin())

    def run(self, work):
        async def bounded():
            async with asyncio.timeout(30):
                return await work

        return self.runner.run(bounded())

    def close(self):
        self.run(self.world.db.close())
        self.runner.close()


class Shown(RuleBasedStateMachine):
    """Each example has things of its own, beside those that the ones before have left."""

    runner = None

    def __init__(self):
        super().__init__()
        self.runner.world.forget()

    @initialize()
    def begin(self):
        for _ in range(2):
            person = self.do("person")
            self.do("post", person)
            stall = self.do("stall", person)
            self.do("lot", self.do("product", stall))
            self.do("product", stall)
            self.do("quest", person)

    def pick(self, data, kind):
        return data.draw(st.sampled_from(list(getattr(self.runner.world, kind))))

    def do(self, name, *args, **kwargs):
        return self.runner.run(getattr(self.runner.world, name)(*args, **kwargs))

    def has(self, kind):
        return bool(getattr(self.runner.world, kind))

    @rule()
    def person(self):
        self.do("person")

    @rule(data=st.data(), visibility=st.sampled_from(("PUBLIC", "PRIVATE")))
    def show(self, data, visibility):
        self.do("show", self.pick(data, "people"), visibility)

    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def set_status(self, data, status):
        self.do("set_status", self.pick(data, "people"), status)

    @rule(data=st.data(), publish=st.booleans())
    def post(self, data, publish):
        self.do("post", self.pick(data, "people"), publish)

    @rule(data=st.data(), how=st.sampled_from(POST_CHANGES))
    def change_post(self, data, how):
        self.do("change_post", self.pick(data, "posts"), how)

    @precondition(lambda self: len(self.runner.world.stalls) < 6)
    @rule(data=st.data())
    def stall(self, data):
        self.do("stall", self.pick(data, "people"))

    @rule(data=st.data(), active=st.booleans())
    def open_stall(self, data, active):
        self.do("open_stall", self.pick(data, "stalls"), active)

    @rule(data=st.data())
    def product(self, data):
        self.do("product", self.pick(data, "stalls"))

    @rule(data=st.data())
    def delete_product(self, data):
        self.do("delete_product", self.pick(data, "products"))

    @rule(data=st.data(), scheduled=st.booleans())
    def lot(self, data, scheduled):
        self.do("lot", self.pick(data, "products"), scheduled)

    @precondition(lambda self: self.has("lots"))
    @rule(data=st.data(), cancel=st.booleans())
    def end_lot(self, data, cancel):
        self.do("end_lot", self.pick(data, "lots"), cancel)

    @rule(data=st.data(), opened=st.booleans())
    def quest(self, data, opened):
        self.do("quest", self.pick(data, "people"), opened)

    @rule(data=st.data(), status=st.sampled_from(QUEST_STATUSES))
    def turn_quest(self, data, status):
        self.do("turn_quest", self.pick(data, "quests"), status)

    @rule()
    def look(self):
        self.check()

    def teardown(self):
        self.check()

    def check(self):
        self.do("catch_up")
        world = self.runner.world
        assert self.do("found").intersection(world.known()) == set(world.expected())
        self.do("check_whole")


@pytest.fixture
def runner(database_url):
    made = Runner(database_url)
    yield made
    made.close()


def test_just_what_everyone_may_see_is_found(runner):
    Shown.runner = runner
    run_state_machine_as_test(
        Shown,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
