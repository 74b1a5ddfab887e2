"""Networks scored ahead by processes: the same scores, whatever becomes of the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from joblib.externals import loky
from torch import nn

from chronas import api
from chronas.architecture import make_space
from chronas.budget import Budget, Ledger
from chronas.data.load import load
from chronas.errors import ProxyError
from chronas.methods import METHODS
from chronas.methods.base import Method
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score
from chronas.registry import Entry
from chronas.runs.folder import RunFolder
from chronas.training import scores
from chronas.training.ahead import Ahead
from chronas.training.hardware import Hardware
from chronas.training.scores import UntrainedScore, networks_beside
from chronas.work import Evaluate, Fidelity, Work

WORK = [Evaluate((index,), Fidelity("proxy", proxy="naswot")) for index in range(6)]


def batch() -> ProxyBatch:
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return ProxyBatch(images, torch.arange(8) % 2, 2)


def network(work: Evaluate) -> nn.Module:
    torch.manual_seed(work.choices[0])
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def following(work: Evaluate) -> Callable[[int], Sequence[Work]]:
    place = WORK.index(work) + 1
    return lambda count: WORK[place : place + count]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plain(work: Evaluate) -> float:
    return score("naswot", network(work), batch())


@pytest.mark.usefixtures("one_thread")
def test_a_process_that_ends_takes_no_other_network_with_it(tmp_path: Path) -> None:
    once = tmp_path / "once"

    def build(work: Evaluate) -> nn.Module:
        if work == WORK[2] and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if work == WORK[4]:
            os.kill(os.getpid(), signal.SIGKILL)
        return network(work)

    scorer = Ahead(lambda: (2, batch()), lambda work: partial(build, work))
    try:
        for work in WORK:
            if work == WORK[4]:
                with pytest.raises(ProxyError, match="process that scored this network has ended"):
                    scorer.score(work, following(work))
            else:
                assert scorer.score(work, following(work)) == plain(work)
        notes = scorer.notes()
    finally:
        scorer.close()
    assert "from here on 1 at once" in notes[0]
    assert all("it is begun anew" in note for note in notes[1:])
    assert not any("\n" in note for note in notes)
    assert scorer.notes() == []


@pytest.mark.usefixtures("one_thread")
def test_without_processes_networks_are_scored_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*args: object, **words: object) -> None:
        raise PermissionError("no semaphores")

    monkeypatch.setattr(loky, "ProcessPoolExecutor", refused)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scorer = Ahead(lambda: (2, batch()), lambda work: partial(network, work))
    assert [scorer.score(work, following(work)) for work in WORK] == [plain(work) for work in WORK]
    scorer.close()
    [note] = scorer.notes()
    assert "cannot be started here: no semaphores. Networks are scored one by one." in note
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("one_thread")
def test_what_cannot_travel_is_scored_here() -> None:
    lock = threading.Lock()

    def build(work: Evaluate) -> nn.Module:
        with lock:
            return network(work)

    scorer = Ahead(lambda: (2, batch()), lambda work: partial(build, work))
    assert [scorer.score(work, following(work)) for work in WORK] == [plain(work) for work in WORK]
    scorer.close()
    [note] = scorer.notes()
    assert "cannot be sent to other processes" in note


@pytest.mark.usefixtures("one_thread")
def test_a_search_that_knows_what_comes_is_scored_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "MANY", 3)
    monkeypatch.setattr(scores, "networks_beside", lambda hardware, batch: 2)
    space = make_space("nasbench201", {"cells": 1, "channels": 4})
    kind = METHODS.load("naswot")
    data = load("digits", limit=200)

    def run(given: Callable[[Method], Callable[[int], Sequence[Work]]]) -> tuple[list[float], UntrainedScore]:
        method = kind(space, kind.Settings(samples=8), 0)
        evaluator = UntrainedScore(space, data, Hardware.find("cpu"), 0, batch=16, upcoming=given(method))
        ledger, found = Ledger(Budget.parse("100 evaluations")), []
        while asked := method.ask(1, 0.0):
            assert isinstance(asked[0], Evaluate)
            try:
                judged = evaluator.evaluate(asked[0], ledger)
                assert judged is not None
                found.append(judged["score"])
            except ProxyError:
                found.append(0.0)
        evaluator.close()
        return found, evaluator

    beside, evaluator = run(lambda method: method.upcoming)
    alone, single = run(lambda method: lambda count: ())
    assert beside == alone
    assert (type(evaluator._ahead), single._ahead) == (Ahead, None)
    assert evaluator.notes() == []


def test_a_search_with_processes_finds_what_one_without_finds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a limit, which hangs a function on the space, and a proxy that no other process has registered."""
    monkeypatch.setattr(scores, "MANY", 4)
    entry = Entry("of_this_test", f"{__name__}:weight_sum", "the sum of all weights", "", frozenset({"weights"}))
    monkeypatch.setitem(PROXIES._entries, entry.name, entry)
    found = []
    for count in (2, 1):
        monkeypatch.setattr(scores, "networks_beside", lambda hardware, batch, count=count: count)
        options = api.Options(
            space="nasbench201", method="naswot", limit=200, device="cpu", max_params=12_000,
            settings={"space": {"cells": 1, "channels": 4}, "method": {"samples": 10, "proxy": "of_this_test"}},
        )  # fmt: skip
        run = tmp_path / str(count)
        api.search("digits", budget="10 evaluations", out=run, options=options)
        records = list(RunFolder.open(run).journal.records())
        assert not [record for record in records if record["kind"] == "note" and record["level"] == "warning"]
        found.append([record["metrics"] for record in records if record["kind"] == "outcome"])
    assert found[0] == found[1]
    assert len(found[0]) >= 4


def weight_sum(net: nn.Module, batch: ProxyBatch) -> float:
    return float(sum(parameter.detach().double().sum() for parameter in net.parameters()))


def test_waiting_ends_when_it_is_enough() -> None:
    def build(work: Evaluate) -> nn.Module:
        time.sleep(1)
        return network(work)

    scorer = Ahead(lambda: (2, batch()), lambda work: partial(build, work))
    asked: list[bool] = []

    def enough() -> bool:
        asked.append(True)
        return len(asked) == 2

    try:
        assert scorer.score(WORK[0], lambda count: (), enough) is None
        assert scorer.score(WORK[0], lambda count: (), lambda: False) is not None
    finally:
        scorer.close()


def test_processes_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = Hardware.find("cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    images = ProxyBatch(torch.zeros(128, 1, 224, 224), torch.arange(128) % 2, 2)
    for free, wanted in ((10**12, 8), (10 * 2**30, 1), (18 * 2**30, 2), (0, 1)):
        monkeypatch.setattr(scores, "free_memory", lambda free=free: free)
        assert networks_beside(cpu, images) == wanted


SCRIPT = """
import signal, sys, time, torch
from functools import partial
from torch import nn
from chronas.proxies.base import ProxyBatch
from chronas.proxies.flight import Processes
import os

flight = Processes(2, ProxyBatch(torch.randn(4, 3, 8, 8), torch.arange(4) % 2, 2))
def build(place):
    open(os.path.join(sys.argv[1], f"pid{place}"), "w").write(str(os.getpid()))
    while True:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
for place in range(2):
    flight.start(("naswot",), partial(build, place))
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_processes_end_with_the_one_that_began_them(tmp_path: Path) -> None:
    """Not with Ctrl-C, which is for that one. Nor does a script need a guard around its main part."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    given = tmp_path / "given"
    given.mkdir()
    running = subprocess.Popen([sys.executable, script, tmp_path], env={**os.environ, "TMPDIR": str(given)})
    written = [tmp_path / "pid0", tmp_path / "pid1"]
    try:
        assert _within(60, lambda: all(path.exists() and path.read_text() for path in written))
        assert list(given.iterdir())
    finally:
        running.kill()
        running.wait()
    assert _within(20, lambda: not any(_alive(int(path.read_text())) for path in written))
    assert not list(given.glob("chronas-*"))


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
