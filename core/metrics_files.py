"""The files by which processes share their metrics: cleaning, the dead, and the common page.

prometheus_client keeps a file for each process and kind. The counts of the dead must stay (a
total that falls looks like a restart), their gauges must go, and crashes must not pile up files.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import struct
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import IO, Final

import psutil
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

DEAD: Final = 0
"""The process id under which the counts of all dead processes are kept."""
READ_TRIES: Final = 5
CLOCK_SLACK_S: Final = 2.0

_FILE: Final = re.compile(r"(counter|histogram|gauge_[a-z]+)_(\d+)\.db")


def collect_directory(directory: Path, *, ages: frozenset[str] = frozenset()) -> bytes:
    """One page for all processes that write here. Blocks; one process at a time reads.

    `ages` name the gauges that keep a Unix time and show how long ago it is.
    """
    with _locked(directory):
        living = _settle(directory)
        collector = MultiProcessCollector(None, path=str(directory))  # type: ignore[no-untyped-call]
        page = _read(AgeCollector(collector, ages))
    return page + generate_latest(ProcessCollector(sorted(living)))


def clean(directory: Path) -> None:
    """Remove an earlier run's files; if a process of it still lives, all stay to be settled."""
    with _locked(directory):
        if not any(_lives(pid, path) for path, _, pid in _files(directory)):
            for path, _, _ in _files(directory):
                path.unlink(missing_ok=True)


def forget_former_owner(directory: Path, pid: int) -> None:
    """Settle what a dead process with the id of this one left; call before the first count."""
    with _locked(directory):
        for path, kind, owner in _files(directory):
            if owner == pid and not _lives(pid, path):
                _retire(path, kind)


def claim(directory: Path) -> IO[bytes] | None:
    """An open file that one process at a time can have: its claim to do something for all that
    write here. None while another has it; whoever closes it or dies, however, lets it go."""
    file = (directory / "claim").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


class AgeCollector(Collector):
    """What another collector has, with the moments of some gauges turned into seconds since."""

    def __init__(self, inner: Collector, ages: frozenset[str]) -> None:
        self._inner = inner
        self._ages = ages

    def collect(self) -> Iterator[Metric]:
        now = time.time()
        for metric in self._inner.collect():
            if metric.name in self._ages:
                # A clock that was set back must not show an age below nothing.
                since = [max(0.0, now - sample.value) for sample in metric.samples]
                pairs = zip(metric.samples, since, strict=True)
                metric.samples = [sample._replace(value=age) for sample, age in pairs]
            yield metric


class ProcessCollector(Collector):
    """Memory, CPU, open files and start of the given processes, and the versions that run."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)

    def collect(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily("mela_process_resident_bytes", "Resident memory", labels=["pid"])
        cpu = CounterMetricFamily("mela_process_cpu_seconds", "CPU time", labels=["pid"])
        files = GaugeMetricFamily("mela_process_open_fds", "Open descriptors", labels=["pid"])
        start = GaugeMetricFamily("mela_process_start_seconds", "Unix time", labels=["pid"])
        for pid in self._pids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                times = process.cpu_times()
                memory.add_metric([str(pid)], process.memory_info().rss)
                cpu.add_metric([str(pid)], times.user + times.system)
                files.add_metric([str(pid)], process.num_fds())
                start.add_metric([str(pid)], process.create_time())
        yield from (memory, cpu, files, start)
        info = GaugeMetricFamily("mela_info", "What runs", labels=["version", "python"])
        info.add_metric([version("mela"), python_version()], 1)
        yield info


def _settle(directory: Path) -> set[int]:
    """Retire the files of the dead; the ids of the living."""
    living: set[int] = set()
    for path, kind, pid in _files(directory):
        if pid == DEAD:
            continue
        if _lives(pid, path):
            living.add(pid)
        else:
            _retire(path, kind)
    return living


def _retire(path: Path, kind: str) -> None:
    if not kind.startswith("gauge"):
        _add_to_the_dead(path, path.with_name(f"{kind}_{DEAD}.db"))
    path.unlink(missing_ok=True)


def _add_to_the_dead(path: Path, total: Path) -> None:
    if path.stat().st_size == 0:
        return
    sums = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    try:
        values = MmapedDict.read_all_values_from_file(str(path))  # type: ignore[no-untyped-call]
        for key, value, _, _ in values:
            before, _ = sums.read_value(key)  # type: ignore[no-untyped-call]
            sums.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        sums.close()  # type: ignore[no-untyped-call]


def _files(directory: Path) -> list[tuple[Path, str, int]]:
    found = ((path, _FILE.fullmatch(path.name)) for path in directory.iterdir())
    return [(path, match[1], int(match[2])) for path, match in found if match]


def _lives(pid: int, path: Path) -> bool:
    """Whether the process that wrote the file lives, and not a later one with the same id."""
    if pid == DEAD:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.create_time() <= path.stat().st_mtime + CLOCK_SLACK_S
    except (psutil.Error, FileNotFoundError):
        return False


def _read(registry: Collector) -> bytes:
    for _ in range(READ_TRIES - 1):
        # A worker that starts has made its file and not yet its head.
        with contextlib.suppress(struct.error):
            return generate_latest(registry)
    return generate_latest(registry)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with (directory / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
