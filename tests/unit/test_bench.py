"""The bench's arithmetic: what it says of a measurement, and when two answers count as the same."""

import json
import math

import pytest

from bench import node
from bench.bid_load import ACCEPTED, BUSY, TOO_LOW, Answer, Offers, outcome_of, summed_up
from bench.fan_out import counted
from bench.figures import median, quantile, shown, times
from bench.ledger import BIDS, TRANSFERS, LedgerMeasured
from bench.ledger_report import Aim, aims_of, markdown_of, picture_of, rows_of
from bench.measuring import SERVERS, Measured, Plan, comparable, first_difference
from bench.picture import picture_of as chart_of
from bench.publish import packed
from bench.report import aims_of as aims_of_reads
from bench.report import lines_of, share, table_of
from bench.report import markdown_of as markdown_of_reads
from bench.sockets import Broken, Reading, Subscriber, masked
from bench.workloads import QUERIES


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


def measured_reads() -> Measured:
    """Each server a unit dearer than the one before it, Mela the cheapest."""
    found = Measured()
    for n, name in enumerate(SERVERS, start=1):
        one = {"cpu_ms": 1.0 * n, "per_s": 100.0 / n, "client_busy": 0.25, "latencies_ms": [5.0]}
        for query in QUERIES:
            found.queries[query.key][name].append(one)
        for crowd in ("2000", "200"):
            saturated = {"cpu_us": 10.0 * n, "per_s": 60_000.0 / n, "client_busy": 0.5}
            paced = {"p50_ms": 1.0, "p99_ms": 2.0}
            found.fan_out[crowd][name].append(
                {
                    "saturated": saturated,
                    "paced": paced,
                    "idle_kib": 26.0 * n,
                    "executions_per_event": 1.0,
                }
            )
    found.inside = {
        "executor_us_per_field": {"levels": 0.1, "graphql-core": 3.2},
        "me_us": {
            "at_hand": {"levels": 61.0, "graphql-core": 84.0},
            "read": {"levels": 300.0, "graphql-core": 380.0},
        },
        "entities_us_each": {"levels": 4.0, "graphql-core": 30.0, "statement": 0.8},
        "statements": {"w1": {"sent": 1, "nodes": 1}, "w2": {"sent": 5, "nodes": 4}},
    }
    return found


def test_every_aim_of_reads_is_held_against_the_right_peer() -> None:
    measured = measured_reads()
    aims = {aim.said: aim for aim in aims_of_reads(lines_of(measured), measured.inside)}
    assert [(round(aim.found, 3), aim.reached) for aim in aims.values()] == [
        *[(0.2, True)] * 3,  # W1 to W3: mela is first, yoga fifth
        (4.0, True),  # deliveries against mercurius, the quicker of the two on Node
        *[(0.1, True), (61.0, False), (4.0, True), (1.0, False), (1.0, True), (26.0, True)],
    ]
    assert aims["statements beyond one for each keyed or paged node"].behind == "W1 1, W2 5"


def test_a_report_of_reads_shows_every_server_in_every_workload() -> None:
    measured = measured_reads()
    lines = lines_of(measured)
    assert [line.key for line in lines] == ["W1", "W2", "W3", "ENTITIES", "W4 200", "W4 2,000"]
    text = markdown_of_reads(lines, measured.inside)
    assert all(text.count(f"| {SERVERS[name].title} |") == 6 for name in SERVERS if name != "mela")
    assert "| **Mela** | **1.00 ms** | **0.200\N{MULTIPLICATION SIGN}** |" in text
    assert table_of(lines).row_count == 6 * (len(SERVERS) + 1)
    assert chart_of(lines).count("<rect") == 6 * len(SERVERS)


def test_a_peer_that_was_left_out_makes_no_ratio() -> None:
    measured = measured_reads()
    for rounds in (*measured.queries.values(), *measured.fan_out.values()):
        for name in (*node.NAMES, "plain"):
            del rounds[name]
    lines = lines_of(measured)
    assert not any(aim.reached for aim in aims_of_reads(lines, {})[:-2])
    assert "| **1.00 ms** | **-** | **-** | **-** |" in markdown_of_reads(lines, {})
    assert math.isnan(share(1.0, 0.0))


def test_money_is_a_number_and_a_currency_wherever_it_is_an_object() -> None:
    ours = {"currentPrice": {"minorUnits": "120", "asset": "USD"}, "topBids": []}
    assert comparable(ours) == {"currentPrice": 120, "currency": "USD", "topBids": []}
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == "at .a[1].b: 2 and 3"
    assert first_difference({"a": [1]}, {"a": [1]}) == ""


def test_peers_find_the_data_by_socket_and_by_address() -> None:
    by_socket = node.environment_of(
        1, "postgresql://mela@/mela?host=/tmp/x&port=5433", "unix:///tmp/x/valkey.sock?db=0"
    )
    assert (by_socket["BENCH_PG_HOST"], by_socket["BENCH_PG_PORT"]) == ("/tmp/x", "5433")
    assert (by_socket["BENCH_PG_USER"], by_socket["BENCH_PG_DATABASE"]) == ("mela", "mela")
    assert by_socket["BENCH_REDIS_PATH"] == "/tmp/x/valkey.sock"
    by_address = node.environment_of(1, "postgresql://a:b@db:5/c", "redis://bus:7")
    assert (by_address["BENCH_PG_HOST"], by_address["BENCH_PG_PASSWORD"]) == ("db", "b")
    assert (by_address["BENCH_REDIS_HOST"], by_address["BENCH_REDIS_PORT"]) == ("bus", "7")


def test_a_message_is_packed_as_messagepack_has_it() -> None:
    assert packed({"id": "a", "n": 300}) == (
        b"\xde\x00\x02\xda\x00\x02id\xda\x00\x01a\xda\x00\x01n\xcf" + (300).to_bytes(8, "big")
    )


async def test_what_arrives_at_once_is_parsed_once_and_still_in_order() -> None:
    def frame(number: int) -> bytes:
        event = {"id": "x", "amount": number * 10, "bidder": {"username": "a"}}
        text = json.dumps({"type": "next", "payload": {"data": {"bidPlaced": event}}}).encode()
        return bytes([0x81, 126]) + len(text).to_bytes(2, "big") + text

    reading, heard, failed = Reading("", 10), [], []
    crowd = [
        Subscriber(b"", reading, lambda _, n: heard.append(n), failed.append) for _ in range(2)
    ]
    both = frame(1) + frame(2)
    for subscriber in crowd:
        subscriber.ready = None
        subscriber.data_received(both)
        subscriber.data_received(frame(3)[:20])
        subscriber.data_received(frame(3)[20:])
    assert heard == [1, 2, 3] * 2
    assert list(reading.chunks) == [both]
    crowd[0].data_received(both)
    assert [str(error) for error in failed] == ["event 1 came after 3"]


def test_executions_are_counted_of_subscriptions_alone() -> None:
    page = (
        "# HELP mela_graphql_operations_total x\n"
        'mela_graphql_operations_total{kind="subscription",outcome="ok"} 12.0\n'
        'mela_graphql_operations_total{kind="query",outcome="ok"} 5.0\n'
    )
    assert counted(page) == 12


def test_a_plan_weighs_the_largest_crowd_first_and_counts_its_steps() -> None:
    plan = Plan(["w1", "w4", "inside"], 3, 2, [200, 2_000], servers=("mela", "yoga"))
    assert plan.crowds == [2_000, 200]
    assert plan.steps == 2 * (3 + 2 * 2) + 1
