"""Counters of several processes on one page; each scenario runs in processes of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core import metrics
from core.metrics_files import clean

ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from core.metrics import *
count_bid("accepted", int(sys.argv[1]))
observe_bid_batch(int(sys.argv[1]))
add_sockets(int(sys.argv[1]))
print("counted", flush=True)
sys.stdin.read()
"""


def child(directory: Path, bids: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(bids)],
        cwd=ROOT,
        env=os.environ | {metrics.MULTIPROCESS_DIR: str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGKILL) -> None:
    process.send_signal(how)
    process.communicate(timeout=10)


def run(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def page(directory: Path) -> dict[str, float]:
    text = run(
        "from core.metrics import render_metrics; print(render_metrics()[0].decode())",
        **{metrics.MULTIPROCESS_DIR: str(directory)},
    )
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, value in rows}


def prepared(state: Path, group: str = "mela") -> Path:
    code = (
        "import os, sys; from pathlib import Path; from core.metrics import *\n"
        "print(prepare_metrics(Path(sys.argv[1]), group=sys.argv[2]))\n"
        "assert os.environ['PROMETHEUS_MULTIPROC_DIR']"
    )
    argv = f"import sys; sys.argv[1:] = [{str(state)!r}, {group!r}]\n"
    return Path(run(argv + code).strip())


def test_one_page_covers_all_processes(tmp_path: Path) -> None:
    directory = prepared(tmp_path)
    workers = [child(directory, 3), child(directory, 4)]
    try:
        found = page(directory)
        assert found['mela_bids_total{outcome="accepted"}'] == 7
        assert found["mela_bid_batch_size_count"] == 2
        assert found["mela_bid_batch_size_sum"] == 7
        assert found["mela_websockets_open"] == 7
        for worker in workers:
            assert found[f'mela_process_resident_bytes{{pid="{worker.pid}"}}'] > 1_000_000
    finally:
        for worker in workers:
            stop(worker)


def test_the_dead_keep_their_counts_and_lose_their_gauges(tmp_path: Path) -> None:
    directory = prepared(tmp_path)
    survivor = child(directory, 1)
    try:
        for bids in (10, 100):
            stop(child(directory, bids))
            found = page(directory)
            assert found["mela_websockets_open"] == 1
        assert found['mela_bids_total{outcome="accepted"}'] == 111
        assert found["mela_bid_batch_size_count"] == 3
        assert found['mela_bid_batch_size_bucket{le="10.0"}'] == 2
        # Crashes pile up no files: those of the dead are one for each kind.
        names = {path.name for path in directory.glob("*.db")}
        own = {name for name in names if f"_{survivor.pid}." in name}
        assert names - own == {"counter_0.db", "histogram_0.db"}
    finally:
        stop(survivor)


def test_a_new_run_starts_at_zero_unless_the_old_one_lives(tmp_path: Path) -> None:
    directory = prepared(tmp_path)
    first = child(directory, 5)
    assert prepared(tmp_path) == directory
    assert page(directory)['mela_bids_total{outcome="accepted"}'] == 5
    stop(first)
    assert prepared(tmp_path) == directory
    assert 'mela_bids_total{outcome="accepted"}' not in page(directory)
    assert [path.name for path in directory.iterdir() if path.suffix == ".db"] == []


def test_groups_are_counted_apart(tmp_path: Path) -> None:
    users, auctions = prepared(tmp_path, "users"), prepared(tmp_path, "auctions")
    worker = child(auctions, 5)
    try:
        assert 'mela_bids_total{outcome="accepted"}' not in page(users)
    finally:
        stop(worker)


def test_an_id_used_again_does_not_inherit_gauges(tmp_path: Path) -> None:
    directory = prepared(tmp_path)
    former = child(directory, 5)
    stop(former)
    for path in list(directory.glob("*.db")):
        ours = path.rename(path.with_name(path.name.replace(str(former.pid), str(os.getpid()))))
        os.utime(ours, (1, 1))
    found = page(directory)
    assert "mela_websockets_open" not in found
    assert found['mela_bids_total{outcome="accepted"}'] == 5


def test_import_order_does_not_matter(tmp_path: Path) -> None:
    code = (
        "import prometheus_client, sys; from pathlib import Path; from core.metrics import *\n"
        f"directory = prepare_metrics(Path({str(tmp_path)!r}))\n"
        "count_bid('accepted'); print(len(list(directory.glob('counter_*'))))"
    )
    assert run(code).strip() == "1"


def test_preparing_too_late_is_refused(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from core.metrics import *\n"
        "count_bid('accepted')\n"
        f"try: prepare_metrics(Path({str(tmp_path)!r}))\n"
        "except RuntimeError as error: print(error)"
    )
    assert run(code).strip() == "prepare_metrics must run before anything is counted"


def test_importing_metrics_does_not_import_prometheus() -> None:
    assert run("import sys, core.metrics; print('prometheus_client' in sys.modules)") == "False\n"


def test_a_label_takes_a_bounded_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_seen", {})
    for n in range(metrics.MAX_VALUES + 50):
        metrics.count_transaction_retried(f"test{n}")
    metrics.count_transaction_retried('"} 1\nmade_up 1')
    text = metrics.render_metrics()[0].decode()
    lines = [line for line in text.splitlines() if 'sqlstate="test' in line]
    assert len([line for line in lines if "_total" in line]) == metrics.MAX_VALUES
    assert 'mela_transactions_retried_total{sqlstate="other"} 51.0' in text
    assert "made_up" not in text


def test_every_metric_has_help_and_every_function_counts() -> None:
    named = (metrics.COUNTERS, metrics.HISTOGRAMS, metrics.GAUGES, metrics.SHARED_GAUGES)
    assert set(metrics.HELP) == {name for names in named for name in names}
    metrics.observe_request("/graphql", "POST", 200, 0.01)
    metrics.observe_operation("query", "ok", 0.01)
    metrics.add_sockets(1)
    metrics.add_subscriptions(1)
    metrics.add_pool_in_use(1)
    metrics.count_events_published(1)
    metrics.count_events_delivered(5)
    metrics.count_events_healed(1)
    metrics.count_bid("BID_TOO_LOW")
    metrics.observe_bid_batch(3)
    metrics.count_transaction_retried("40001")
    metrics.observe_job("close_auction", "ok", 0.1)
    metrics.count_payment_asked_again("settled")
    for name, labels in metrics.SHARED_GAUGES.items():
        if name not in metrics.AGES:
            metrics.set_gathered([(name, 2.0, tuple(f"some_{label}" for label in labels))])
    metrics.mark_gathered("some_check")
    text, content_type = metrics.render_metrics()
    for change in (metrics.add_sockets, metrics.add_subscriptions, metrics.add_pool_in_use):
        change(-1)
    assert content_type.startswith("text/plain; version=")
    samples = [line for line in text.decode().splitlines() if not line.startswith("#")]
    for name in metrics.HELP:
        suffix = {**dict.fromkeys(metrics.COUNTERS, "_total")}.get(
            name, "_count" if name in metrics.HISTOGRAMS else ""
        )
        counted = [line for line in samples if line.startswith(name + suffix)]
        assert any(float(line.split()[-1]) > 0 for line in counted), name


GATHERER = """
import sys
from core.metrics import *
claim = claim_gathering()
print("none" if claim is None else "claimed", flush=True)
if claim:
    set_gathered([("mela_ledger_imbalance", float(sys.argv[1]), ("USD", "posted"))])
    set_gathered([("mela_auctions_overdue", float(sys.argv[1]), ())])
else:
    count_bid("accepted")
if claim:
    mark_gathered("sums")
print("done", flush=True)
sys.stdin.read()
"""


def gatherer(directory: Path, value: int) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", GATHERER, str(value)],
        cwd=ROOT,
        env=os.environ | {metrics.MULTIPROCESS_DIR: str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    assert process.stdout.readline() == "done\n"
    return process, said


def test_one_process_of_a_page_gathers_and_another_when_it_is_killed(tmp_path: Path) -> None:
    directory = prepared(tmp_path)
    first, said = gatherer(directory, 1)
    second, refused = gatherer(directory, 2)
    assert (said, refused) == ("claimed", "none")
    name, age = 'mela_ledger_imbalance{asset="USD",counter="posted"}', "mela_health_gathered"
    found = page(directory)
    assert found[name] == found["mela_auctions_overdue"] == 1
    assert 0 <= found[f'{age}_seconds_ago{{check="sums"}}'] < 20
    stop(first)
    # Nobody gathers: what a dead process said of the present is not said any longer.
    found = page(directory)
    assert name not in found
    assert "mela_auctions_overdue" not in found
    assert found['mela_bids_total{outcome="accepted"}'] == 1
    third, said = gatherer(directory, 3)
    try:
        assert said == "claimed"
        assert page(directory)[name] == 3
    finally:
        stop(second)
        stop(third)


def test_ages_grow_from_scrape_to_scrape(tmp_path: Path) -> None:
    directory = prepared(tmp_path)
    process, _ = gatherer(directory, 1)
    try:
        key = 'mela_health_gathered_seconds_ago{check="sums"}'
        first = page(directory)[key]
        assert page(directory)[key] > first
    finally:
        stop(process)


def test_every_metric_is_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "operating.md").read_text()
    shown = {f"`{name}{'_total' if name in metrics.COUNTERS else ''}" for name in metrics.HELP}
    assert [
        name for name in sorted(shown) if f"{name}`" not in guide and f"{name}{{" not in guide
    ] == []


def test_cleaning_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    clean(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
