"""The bench's arithmetic: what it says of a measurement, and when two answers count as the same."""

import json
import math

import pytest

from bench.bid_load import ACCEPTED, BUSY, TOO_LOW, Answer, Offers, outcome_of, summed_up
from bench.figures import median, quantile, shown, times
from bench.ledger import BIDS, TRANSFERS, LedgerMeasured
from bench.ledger_report import Aim, aims_of, markdown_of, picture_of, rows_of
from bench.measuring import comparable
from bench.sockets import Broken, Reading, masked


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == expected


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(quantile([], 0.5))
    assert math.isnan(median([]))
    assert math.isnan(times(1.0, 0.0))
    assert math.isnan(times(math.nan, 1.0))


def test_numbers_are_shown_with_three_digits() -> None:
    assert [shown(v) for v in (12_345.6, 123.4, 12.34, 1.234, 0.01234, 0.0, math.nan)] == [
        *("12,346", "123", "12.3", "1.23", "0.012", "0.00", "-")
    ]
    assert shown(times(10.0, 4.0), "x") == "2.50x"


def test_answers_differ_by_data_and_not_by_spelling() -> None:
    ours = {"cursor": "x", "id": "usr_" + "0a" * 16, "endsAt": "2026-01-31T12:00:00Z"}
    theirs = {
        "cursor": "y",
        "id": "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a",
        "endsAt": "2026-01-31T12:00:00+00:00",
    }
    assert comparable([ours]) == comparable([theirs])
    assert comparable(ours) != comparable(theirs | {"endsAt": "2026-01-31T12:00:01+00:00"})


def test_a_frame_that_is_not_an_event_breaks_the_run() -> None:
    with pytest.raises(Broken, match="not an event"):
        Reading("auction:1").sequence(b'{"id":"1","type":"error","payload":[]}')


def test_a_client_frame_is_masked_and_says_its_length() -> None:
    assert masked(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert masked(b"a" * 200)[:4] == b"\x81\xfe\x00\xc8"


def test_offers_rise_lap_by_lap_and_each_has_a_key_of_its_own() -> None:
    offers = Offers(["auc_a", "auc_b"])
    made = [json.loads(offers.body())["variables"]["input"] for _ in range(4)]
    assert [offer["auctionId"] for offer in made] == ["auc_a", "auc_b"] * 2
    assert [offer["maximum"] for offer in made] == ["6000.00", "6000.00", "6300.00", "6300.00"]
    assert len({offer["idempotencyKey"] for offer in made}) == 4


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            b'HTTP/1.1 200 OK\r\n\r\n{"data":{"placeBid":{"__typename":"PlaceBidSuccess"}}}',
            ACCEPTED,
        ),
        (b'HTTP/1.1 200 OK\r\n\r\n{"data":{"placeBid":{"__typename":"BidTooLow"}}}', TOO_LOW),
        (b'HTTP/1.1 200 OK\r\n\r\n{"errors":[{"extensions":{"code":"UNAVAILABLE"}}]}', BUSY),
        (b'HTTP/1.1 200 OK\r\n\r\n{"errors":[{"message":"PlaceBidSuccess"}]}', None),
        (b'HTTP/1.1 200 OK\r\n\r\n{"data":{"placeBid":{"__typename":"InsufficientFunds"}}}', None),
        (b'HTTP/1.1 500 Oops\r\n\r\n{"x":"PlaceBidSuccess"}', None),
    ],
)
def test_an_answer_to_a_bid_is_one_of_three_or_breaks_the_run(
    answer: bytes, outcome: str | None
) -> None:
    assert outcome_of(answer) == outcome


def test_at_a_stated_rate_what_was_due_counts_however_late_it_was_answered() -> None:
    answers = [
        Answer(0.9, 1.1, ACCEPTED),
        Answer(1.2, 1.3, TOO_LOW),
        Answer(1.9, 2.9, ACCEPTED),
        Answer(2.1, 2.2, ACCEPTED),
    ]
    paced = summed_up(answers, 1.0, 2.0, paced=True)
    closed = summed_up(answers, 1.0, 2.0, paced=False)
    assert paced["latencies_ms"] == [100.0, 1000.0]
    assert closed["latencies_ms"] == [200.0, 100.0]
    assert (paced["answers"], paced["per_s"], paced["accepted_per_s"]) == (2, 2.0, 1.0)


def test_an_aim_is_reached_by_what_was_found_alone() -> None:
    assert Aim("", 2.0, "x", least=2).reached
    assert not Aim("", 1.99, "x", least=2).reached
    assert Aim("", 100.0, " ms", most=100).reached
    assert not Aim("", math.nan, " ms", most=100).reached
    assert not Aim("", math.nan, "x", least=2).reached


def test_a_report_of_money_shows_every_case_and_every_aim() -> None:
    measured = LedgerMeasured()
    common = {"cpu_ms": 1.0, "postgres_cpu_ms": 0.5, "latencies_ms": [10.0, 20.0]}
    for n, way in enumerate(TRANSFERS):
        measured.transfers[way.key][way.server].append({**common, "per_s": 100.0 + n})
    for n, case in enumerate(BIDS):
        rates = {"per_s": 200.0 + n, "accepted_per_s": 150.0 + n, "rate": 140.0}
        measured.bids[case.key][case.server].append({**common, **rates})
    assert len(rows_of(measured)) == len(TRANSFERS) + len(BIDS)
    assert [aim.reached for aim in aims_of(measured)] == [False] * 5 + [True] * 2
    text = markdown_of(measured)
    assert "| one hot lot" not in text
    assert "bids, 200 bidders, one hot lot (plain)" in text
    assert picture_of(measured).count("<rect") == 8
