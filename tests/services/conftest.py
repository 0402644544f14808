"""Services called as resolvers and jobs call them."""

from functools import partial

import pytest


@pytest.fixture
def do(db):
    """`await do(service, **arguments)`: one unit of work of a service."""

    async def run(service, **arguments):
        return await db.transaction(partial(service, **arguments))

    return run
