"""What reports of one offer change, over any sequence of them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.content.availability import LEAVING_WITHIN, changes_of
from services.content.offers import Offer, OfferReport

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = UUID(int=1)
prices = st.sampled_from([(None, None), (399, "EUR"), (299, "EUR"), (399, "USD")])
ends = st.none() | st.integers(1, 20).map(lambda days: NOW + timedelta(days=days))
reports = st.builds(
    lambda available, price, until: OfferReport(
        KEY,
        KEY,
        "FR",
        "RENT",
        available=available,
        price_minor=price[0],
        asset=price[1],
        available_until=until,
    ),
    st.booleans(),
    prices,
    ends,
)


def stored(old, report, changes):
    """The offer once a report is written, as `apply_reports` writes it."""
    told_for = None if old is None else old.leaving_told_for
    if any(change.kind == "LEAVING_SOON" for change in changes):
        told_for = report.available_until
    return Offer(
        KEY,
        KEY,
        KEY,
        "FR",
        "RENT",
        report.available,
        report.price_minor,
        report.asset,
        report.available_until,
        told_for,
    )


@given(st.lists(reports, max_size=20))
def test_an_offers_events_tell_its_whole_life(sequence):
    old, there, price, ends_told = None, False, None, []
    for report in sequence:
        changes = changes_of(old, report, KEY, NOW)
        kinds = [change.kind for change in changes]
        assert len(kinds) == len(set(kinds))
        if "ADDED" in kinds:
            assert not there
            there, price = True, (report.price_minor, report.asset)
        if "REMOVED" in kinds:
            assert there
            assert kinds == ["REMOVED"]
            there = False
        if "PRICE_CHANGED" in kinds:
            assert "ADDED" not in kinds
            price = (report.price_minor, report.asset)
        if "LEAVING_SOON" in kinds:
            assert NOW < report.available_until <= NOW + LEAVING_WITHIN
            ends_told.append(report.available_until)
        old = stored(old, report, changes)
        # Who only heard the events knows what is stored.
        assert there == report.available
        assert not there or price == (report.price_minor, report.asset)
        assert changes_of(old, report, KEY, NOW) == []  # the same again is no news
    assert all(a != b for a, b in pairwise(ends_told))
