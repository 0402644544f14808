"""What a function reads of an argument is told by its source, or not at all."""

import math

import pytest

from core import reads as reads_module
from core.reads import reads_of


def plain(row):
    return row.title.upper() if row.sold else row.price


def hands_on(row, other):
    return both(other, row) + row.count


def both(one, two):
    return one.first + two.second


def by_module(row):
    return reads_module.reads_of(row.function, "row")


def asks_what_it_is(row):
    return row.id if isinstance(row, tuple) else type(row)


def nested(row):
    return [row.asset for _ in range(3)] + [(lambda: row.late)()]


async def waits(row, info):
    return await info.context.load(row.owner_id)


def itself(row):
    return again(row)


def again(row):
    return row.name or itself(row)


def chained(row):
    return hands_on(row, row)


KNOWN = {
    plain: {"title", "sold", "price"},
    hands_on: {"second", "count"},
    by_module: {"function"},
    asks_what_it_is: {"id"},
    nested: {"asset", "late"},
    waits: {"owner_id"},
    itself: {"name"},
    chained: {"first", "second", "count"},
}


@pytest.mark.parametrize("function", KNOWN, ids=lambda f: f.__name__)
def test_what_is_read_by_name_is_known(function):
    assert reads_of(function, "row") == KNOWN[function]


def test_of_another_argument_other_things_are_read():
    assert reads_of(hands_on, "other") == {"first"}
    assert reads_of(waits, "info") == {"context"}


def gives_it_back(row):
    return row


def by_text(row):
    return getattr(row, "title")  # noqa: B009


def unpacks(row):
    title, price = row
    return title, price


def by_place(row):
    return row[0]


def keeps(row):
    return [row]


def hands_to_unknown(row, call):
    return call(row)


def hands_to_method(row, box):
    return box.put(row)


def hands_to_builtin(row):
    return math.fsum(row)


def hands_spread(row, some):
    return both(*some, row)


def changes(row):
    row = row.next
    return row.title


def writes(row):
    row.title = ""


def looks_around(row):
    return row.title, locals()


def hands_on_to_unknown(row):
    return by_text(row)


UNKNOWN = (
    gives_it_back,
    by_text,
    unpacks,
    by_place,
    keeps,
    hands_to_unknown,
    hands_to_method,
    hands_to_builtin,
    hands_spread,
    changes,
    writes,
    looks_around,
    hands_on_to_unknown,
    len,
    lambda row: row.title,
)


@pytest.mark.parametrize("function", UNKNOWN, ids=lambda f: f.__name__)
def test_what_is_not_plain_is_not_known(function):
    assert reads_of(function, "row") is None


def test_a_name_that_stands_for_something_here_is_not_looked_up_in_the_module():
    def shadows(row, both):
        return both(row, row)

    def encloses(row):
        return inner(row)

    def inner(row):
        return row.title

    assert reads_of(shadows, "row") is None
    assert reads_of(encloses, "row") is None
