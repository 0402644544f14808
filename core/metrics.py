"""What this server counts and times, as plain functions over Prometheus; no domain's types.

Label values come from code, or are bounded here: a client can never make a new series. How the
numbers of several processes become one page stands in core/metrics_files.py.
"""

from __future__ import annotations

import functools
import io
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.metrics import MetricWrapperBase

MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
MAX_VALUES: Final = 200
"""Distinct values a label may take in a process; further ones are counted as `other`."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OPERATION_KINDS: Final = frozenset({"query", "mutation", "subscription"})
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200)

_LABEL: Final = re.compile(r"[A-Za-z0-9_./:{}-]{1,64}")
_seen: dict[str, set[str]] = {}

COUNTERS: Final[dict[str, tuple[str, ...]]] = {
    "mela_http_requests": ("route", "method", "status"),
    "mela_graphql_operations": ("kind", "outcome"),
    "mela_events_published": (),
    "mela_events_delivered": (),
    "mela_events_healed": (),
    "mela_bids": ("outcome",),
    "mela_transactions_retried": ("sqlstate",),
    "mela_jobs": ("name", "outcome"),
    "mela_payments_asked_again": ("outcome",),
}
HISTOGRAMS: Final[dict[str, tuple[tuple[str, ...], tuple[float, ...]]]] = {
    "mela_http_request_seconds": (("route", "method"), SECONDS),
    "mela_graphql_operation_seconds": (("kind",), SECONDS),
    "mela_bid_batch_size": ((), SIZES),
    "mela_job_seconds": (("name",), SECONDS),
}
GAUGES: Final = ("mela_websockets_open", "mela_subscriptions_active", "mela_db_pool_in_use")
SHARED_GAUGES: Final[dict[str, tuple[str, ...]]] = {
    "mela_ledger_imbalance": ("asset", "counter"),
    "mela_ledger_supply": ("asset",),
    "mela_ledger_supply_cap": ("asset",),
    "mela_ledger_holds": (),
    "mela_ledger_oldest_hold_seconds": (),
    "mela_ledger_hold_overdue_seconds": (),
    "mela_ledger_unsequenced_transfers": (),
    "mela_ledger_unsequenced_oldest_seconds": (),
    "mela_payments_pending": (),
    "mela_payments_pending_oldest_seconds": (),
    "mela_auctions_overdue": (),
    "mela_auctions_overdue_seconds": (),
    "mela_auctions_sold_without_order": (),
    "mela_search_documents": (),
    "mela_search_generation": (),
    "mela_search_waiting_events": (),
    "mela_search_waiting_oldest_seconds": (),
    "mela_health_gathered_seconds_ago": ("check",),
}
"""Gathered from the database by one process for all (jobs/health.py): the newest word counts."""
AGES: Final = frozenset({"mela_health_gathered_seconds_ago"})
"""Gauges that keep a Unix time; the page shows how long ago that is, and so they grow by themselves
while nothing can be gathered."""

HELP: Final = {
    "mela_http_requests": "HTTP requests answered, by route, method and class of status",
    "mela_http_request_seconds": "Time to the head of the response",
    "mela_graphql_operations": "GraphQL operations by kind and outcome: ok, or the error's code",
    "mela_graphql_operation_seconds": "Time of one operation; of a subscription, to its start",
    "mela_events_published": "Events committed and handed to the bus",
    "mela_events_delivered": "Events handed to subscribers",
    "mela_events_healed": "Events the bus lost and the log gave back",
    "mela_bids": "Bids by outcome: accepted, or the code of the refusal",
    "mela_bid_batch_size": "Bids taken in one transaction",
    "mela_transactions_retried": "Units of work run again, by SQLSTATE",
    "mela_jobs": "Jobs run, by name and outcome",
    "mela_job_seconds": "Time of one job",
    "mela_payments_asked_again": "Pending payments asked about again, by the answer",
    "mela_websockets_open": "WebSockets open now",
    "mela_subscriptions_active": "Subscriptions running now",
    "mela_ledger_imbalance": "Debits less credits over all accounts, in minor units: always 0",
    "mela_ledger_supply": "Minted and not burned, in minor units",
    "mela_ledger_supply_cap": "How much may exist, in minor units; +Inf for no cap",
    "mela_ledger_holds": "Holds that stand",
    "mela_ledger_oldest_hold_seconds": "Age of the oldest hold that stands; 0 for none",
    "mela_ledger_hold_overdue_seconds": "How far the most overdue hold is past its expiry",
    "mela_ledger_unsequenced_transfers": "Transfers that are not in the transparency log yet",
    "mela_ledger_unsequenced_oldest_seconds": "Age of the oldest of them",
    "mela_payments_pending": "Payments whose provider has not said how they ended",
    "mela_payments_pending_oldest_seconds": "Age of the oldest of them",
    "mela_auctions_overdue": "Lots whose end has passed and that nobody has closed",
    "mela_auctions_overdue_seconds": "By how far the most overdue of them",
    "mela_auctions_sold_without_order": "Lots that ended sold and have no order",
    "mela_search_documents": "Things that can be found",
    "mela_search_generation": "How often the index was built anew",
    "mela_search_waiting_events": "Events that the index has not taken yet; 10,000 at most",
    "mela_search_waiting_oldest_seconds": "Age of the oldest of them",
    "mela_health_gathered_seconds_ago": "Since a check of the database's health last succeeded",
    "mela_db_pool_in_use": "Database connections checked out of the pools now",
}


def observe_request(route: str, method: str, status: int, took_s: float) -> None:
    """`route` is a pattern (`/files/{id}`), never the path that was asked for."""
    counter, times = _of_requests(route, method if method in METHODS else "other", status // 100)
    counter.inc()
    times.observe(took_s)


def observe_operation(kind: str, outcome: str, took_s: float) -> None:
    """`kind`: query, mutation or subscription; `outcome`: "ok" or an error code. No names."""
    counter, times = _of_operations(kind if kind in OPERATION_KINDS else "other", outcome)
    counter.inc()
    times.observe(took_s)


def add_sockets(change: int) -> None:
    """WebSockets opened (+1) or closed (-1) by this process."""
    _child("mela_websockets_open").inc(change)


def add_subscriptions(change: int) -> None:
    """Subscriptions started (+1) or ended (-1) by this process."""
    _child("mela_subscriptions_active").inc(change)


def add_pool_in_use(change: int) -> None:
    """Connections checked out (+1) or returned (-1); see `core.telemetry.watch_engine`."""
    _child("mela_db_pool_in_use").inc(change)


def count_events_published(events: int) -> None:
    """Events committed and handed to the bus."""
    _child("mela_events_published").inc(events)


def count_events_delivered(events: int) -> None:
    """Events handed to subscribers; call it once a fan-out, not once a subscriber."""
    _child("mela_events_delivered").inc(events)


def count_events_healed(events: int) -> None:
    """Events that the bus lost and a read of the log found."""
    _child("mela_events_healed").inc(events)


def count_bid(outcome: str, bids: int = 1) -> None:
    """`outcome`: "accepted", or the code of the refusal."""
    _child("mela_bids", _bounded("bid", outcome)).inc(bids)


def observe_bid_batch(size: int) -> None:
    """Bids that one transaction took."""
    _child("mela_bid_batch_size").observe(size)


def count_transaction_retried(sqlstate: str | None) -> None:
    """A unit of work is run again after this SQLSTATE."""
    _child("mela_transactions_retried", _bounded("sqlstate", sqlstate or "unknown")).inc()


def observe_job(name: str, outcome: str, took_s: float) -> None:
    """`name` is the job's name in code; `outcome`: "ok" or the error's class or code."""
    name = _bounded("job", name)
    _child("mela_jobs", name, _bounded("job_outcome", outcome)).inc()
    _child("mela_job_seconds", name).observe(took_s)


def count_payment_asked_again(outcome: str) -> None:
    """`outcome`: settled, failed or pending, as the provider says; unanswered; or refused, where
    its answer could not be acted on."""
    _child("mela_payments_asked_again", _bounded("payment", outcome)).inc()


def set_gathered(readings: Iterable[tuple[str, float, tuple[str, ...]]]) -> None:
    """What was read from the database for all processes: a gauge's name, its value, its labels.

    Only for the process that `claim_gathering` gave it to. Raises `KeyError` for other metrics.
    """
    for name, value, labels in readings:
        gauge = _shared_gauge(name)
        named = zip(SHARED_GAUGES[name], labels, strict=True)
        given = [_bounded(label, said) for label, said in named]
        (gauge.labels(*given) if given else gauge).set(value)


def mark_gathered(check: str) -> None:
    """The check of that name has succeeded just now, or begins to be made."""
    set_gathered([("mela_health_gathered_seconds_ago", time.time(), (check,))])


def claim_gathering() -> IO[bytes] | None:
    """The claim to gather for the page that this process writes to, and to be kept open while it
    does; None while another living process has it. The claim of a process that dies is free."""
    directory = os.environ.get(MULTIPROCESS_DIR)
    if directory is None:
        return io.BytesIO()  # a page of this process alone: nobody else to keep out
    from core.metrics_files import claim

    return claim(Path(directory))


def prepare_metrics(state_dir: Path, *, group: str = "mela") -> Path:
    """Let processes started from here on share their numbers; returns the folder of their files.

    Called by the parent before anything is counted; children inherit it by the environment.
    Processes of one `group` are one page: servers that are scraped apart (subgraphs on one
    machine) need groups of their own. Files of an earlier run go, unless a process of that run
    still lives. Raises `RuntimeError` if this process has already counted something.
    """
    if _metrics.cache_info().currsize:
        raise RuntimeError("prepare_metrics must run before anything is counted")
    from core.metrics_files import clean

    directory = (state_dir / "metrics" / group).absolute()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    clean(directory)
    os.environ[MULTIPROCESS_DIR] = str(directory)
    return directory


def render_metrics() -> tuple[bytes, str]:
    """The page in Prometheus's text format, and its content type.

    Blocks (files are read and locked): call it in a thread.
    """
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    from core.metrics_files import AgeCollector, ProcessCollector, collect_directory

    directory = os.environ.get(MULTIPROCESS_DIR)
    if directory is None:
        page = generate_latest(AgeCollector(_metrics()[0], AGES))
        page += generate_latest(ProcessCollector([os.getpid()]))
    else:
        page = collect_directory(Path(directory), ages=AGES)
    return page, CONTENT_TYPE_LATEST


def _bounded(label: str, value: str) -> str:
    seen = _seen.setdefault(label, set())
    if value in seen:
        return value
    if len(seen) >= MAX_VALUES or not _LABEL.fullmatch(value):
        return "other"
    seen.add(value)
    return value


@functools.lru_cache(maxsize=4096)
def _of_requests(route: str, method: str, hundreds: int) -> tuple[Any, Any]:
    route = _bounded("route", route)
    counter = _child("mela_http_requests", route, method, f"{hundreds}xx")
    return counter, _child("mela_http_request_seconds", route, method)


@functools.lru_cache(maxsize=4096)
def _of_operations(kind: str, outcome: str) -> tuple[Any, Any]:
    counter = _child("mela_graphql_operations", kind, _bounded("operation", outcome))
    return counter, _child("mela_graphql_operation_seconds", kind)


@functools.lru_cache(maxsize=4096)
def _child(metric: str, *labels: str) -> Any:
    found = _metrics()[1][metric]
    return found.labels(*labels) if labels else found


@functools.cache
def _metrics() -> tuple[CollectorRegistry, dict[str, MetricWrapperBase]]:
    """Made at the first count, not at import: prometheus_client decides between memory and
    files when a metric is made, and by then the parent has said where the files are.
    """
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

    directory = os.environ.get(MULTIPROCESS_DIR)
    if directory is not None:
        from core.metrics_files import forget_former_owner

        Path(directory).mkdir(parents=True, exist_ok=True, mode=0o700)
        forget_former_owner(Path(directory), os.getpid())
        if not getattr(values.ValueClass, "_multiprocess", False):
            # It was imported before the folder was known.
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    made: dict[str, MetricWrapperBase] = {}
    for name, labels in COUNTERS.items():
        made[name] = Counter(name, HELP[name], labels, registry=registry)
    for name, (labels, buckets) in HISTOGRAMS.items():
        made[name] = Histogram(name, HELP[name], labels, buckets=buckets, registry=registry)
    for name in GAUGES:
        made[name] = Gauge(name, HELP[name], registry=registry, multiprocess_mode="livesum")
    return registry, made


@functools.cache
def _shared_gauge(name: str) -> Gauge:
    """Made at its first value: a gauge that is made says 0, which nobody has found out."""
    from prometheus_client import Gauge

    return Gauge(
        name,
        HELP[name],
        SHARED_GAUGES[name],
        registry=_metrics()[0],
        multiprocess_mode="livemostrecent",
    )
