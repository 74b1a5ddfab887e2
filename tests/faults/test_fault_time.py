"""Budgets in seconds, by the clock of the process itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from fault_runs import Processes, home, log_of, notes, order, read, result, run, wait_for

from chronas import api
from chronas.runs.folder import RunFolder
from chronas.runs.journal import Journal

SEARCH, FIT, CUT = 12.0, 18.0, 14.0


def timed(verb: str, out: Path, seconds: float, **traps: Any) -> dict[str, Any]:
    return {**order(verb, "nasib", out, **traps), "budget": f"{seconds}s"}


@pytest.fixture(scope="module")
def runs() -> dict[str, Path]:
    """A search, a fit, and a fit that was killed and resumed; side by side."""
    folders = {name: home() / f"timed-{name}" for name in ("search", "fit", "killed")}
    hands = {name: Processes() for name in folders}
    hands["search"].start(timed("search", folders["search"], SEARCH))
    hands["fit"].start(timed("fit", folders["fit"], FIT))
    pid = hands["killed"].start(timed("fit", folders["killed"], CUT, snapshots_every=20))
    wait_for(folders["killed"] / "snapshots" / "search-000004.json")
    os.kill(pid, signal.SIGKILL)
    assert hands["killed"].finish() == -signal.SIGKILL
    hands["killed"].start({"verb": "resume", "out": str(folders["killed"])})
    for name, out in folders.items():
        assert hands[name].finish() == 0, log_of(out)
        hands[name].close()
    return folders


@pytest.mark.parametrize(("name", "budget"), [("search", SEARCH), ("fit", FIT)])
def test_it_ends_within_the_budget_and_uses_it(runs: dict[str, Path], name: str, budget: float) -> None:
    spent = result(runs[name])["budget"]["seconds"]
    assert 0.6 * budget <= spent <= budget
    where = result(runs[name])["budget"]["where"]
    assert sum(where.values()) <= spent
    assert sum(where.values()) >= 0.8 * spent, "the account says where the time went"


def test_what_was_spent_before_a_kill_counts(runs: dict[str, Path]) -> None:
    out = runs["killed"]
    records = Journal(out / "journal.jsonl", write=False).raw()
    second = [r for r in records if r["kind"] == "start"][1]
    carried = [r["t"] for r in records if r["kind"] == "snapshot" and r["seq"] < second["seq"]][-1]
    assert carried > records[0]["t"]
    assert second["t"] >= carried
    assert carried < result(out)["budget"]["seconds"] <= CUT
    assert result(out)["status"] == "finished"
    assert read(out, "best.json")["choices"] == result(out)["search"]["choices"]


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_what_comes_after_the_last_snapshot_is_no_time_of_the_run(tmp_path: Path, reason: str) -> None:
    """Keeping the model takes seconds, which a resumed run has again."""
    folder = RunFolder.create(tmp_path / "run", {"format": 1})
    with folder.locked():
        for kind, t in (("start", 2.0), ("snapshot", 30.0), ("outcome", 54.0), ("snapshot", 55.0), ("note", 58.0)):
            folder.journal.append({"kind": kind, "stage": "search", "t": t, "format": 1})
        folder.journal.append({"kind": "end", "stage": "run", "t": 59.0, "reason": reason})
    assert api._carried(folder) == 55.0


def test_a_search_without_any_time_does_not_stop_a_fit(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = {**order("fit", "random", out, signals=[[11, "SIGTERM"]]), "budget": "30s"}
    words["options"]["search_share"] = 1e-9
    assert run(words) == 143, log_of(out)
    assert sum("no time to judge any network" in note for note in notes(out)) == 1
    records = Journal(out / "journal.jsonl", write=False).records()
    assert any(r["stage"] == "found" and r["kind"] == "epoch" for r in records)
    assert read(out, "best.json")["choices"] == result(out)["search"]["choices"]
