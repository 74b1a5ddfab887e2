"""Budgets in seconds, by the clock of the process itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from fault_runs import Processes, home, log_of, order, read, result

from chronas.runs.journal import Journal

SEARCH, FIT, CUT = 12.0, 18.0, 14.0


def timed(verb: str, out: Path, seconds: float, **traps: Any) -> dict[str, Any]:
    return {**order(verb, "nasib", out, **traps), "budget": f"{seconds}s"}


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[float, Path]]:
    """Seconds that passed and the folder: a search, a fit, and a fit that was killed and resumed; side by side."""
    folders = {name: home() / f"timed-{name}" for name in ("search", "fit", "killed")}
    hands = {name: Processes() for name in folders}
    began = time.monotonic()
    hands["search"].start(timed("search", folders["search"], SEARCH))
    hands["fit"].start(timed("fit", folders["fit"], FIT))
    pid = hands["killed"].start(timed("fit", folders["killed"], CUT, snapshots_every=100))
    while time.monotonic() - began < 8 or not (folders["killed"] / "best.json").exists():
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    assert hands["killed"].finish() == -signal.SIGKILL
    again = time.monotonic()
    hands["killed"].start({"verb": "resume", "out": str(folders["killed"])})
    found = {}
    for name, since in (("search", began), ("killed", again), ("fit", began)):
        code = hands[name].finish()
        assert code == 0, log_of(folders[name])
        found[name] = time.monotonic() - since, folders[name]
        hands[name].close()
    return found


@pytest.mark.parametrize(("name", "budget"), [("search", SEARCH), ("fit", FIT)])
def test_it_ends_within_the_budget_and_uses_it(runs: dict[str, tuple[float, Path]], name: str, budget: float) -> None:
    spent = result(runs[name][1])["budget"]["seconds"]
    assert 0.6 * budget <= spent <= budget
    where = result(runs[name][1])["budget"]["where"]
    assert sum(where.values()) <= spent
    assert sum(where.values()) >= 0.8 * spent, "the account says where the time went"


def test_what_was_spent_before_a_kill_counts(runs: dict[str, tuple[float, Path]]) -> None:
    took, out = runs["killed"]
    records = Journal(out / "journal.jsonl", write=False).raw()
    second = [r for r in records if r["kind"] == "start"][1]
    carried = [r["t"] for r in records if r["kind"] == "snapshot" and r["seq"] < second["seq"]][-1]
    assert carried > 1, "the last snapshot before the kill came well after the start"
    assert second["t"] >= carried
    assert result(out)["budget"]["seconds"] <= CUT
    assert result(out)["status"] == "finished"
    assert took <= CUT - carried + 2, "only the rest was left, and starting the process"
    assert read(out, "best.json")["choices"] == result(out)["search"]["choices"]
