"""Ctrl-C and SIGTERM: the step is finished, everything is written, and a resume ends like an unbroken run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_runs import assert_same, log_of, order, read, result, resumed, run, unbroken

from chronas.architecture import Architecture
from chronas.runs.journal import Journal

CODES = {"SIGINT": 130, "SIGTERM": 143}


def assert_ended_cleanly(out: Path) -> None:
    assert result(out)["status"] == "interrupted"
    last = Journal(out / "journal.jsonl", write=False).records()[-1]
    assert (last["kind"], last["reason"]) == ("end", "interrupted")
    assert "chronas resume" in last["message"]
    assert Architecture.from_json(read(out, "best.json")["architecture"]).notation
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("method", "step"), [("nasib", 4), ("rsps", 20), ("halving", 21), ("random", 7)])
def test_a_signal_in_the_middle_of_a_slice(tmp_path: Path, name: str, method: str, step: int) -> None:
    out = tmp_path / "run"
    code = run(order("fit", method, out, snapshots_every=5, signal_at_step=[step, name]))
    assert code == CODES[name], log_of(out)
    assert result(out)["status"] == "interrupted"
    if (out / "best.json").exists():
        assert_ended_cleanly(out)
    else:
        assert method in ("random", "halving"), "before the first evaluation there is no best yet"
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", method))


@pytest.mark.parametrize(("name", "record"), [("SIGTERM", 6), ("SIGINT", 30), ("SIGTERM", 40)])
def test_a_signal_between_two_pieces_of_work(tmp_path: Path, name: str, record: int) -> None:
    out = tmp_path / "run"
    assert run(order("search", "rsps", out, signals=[[record, name]])) == CODES[name], log_of(out)
    assert_ended_cleanly(out)
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("search", "rsps"))


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    out = tmp_path / "run"
    code = run(order("fit", "rsps", out, snapshots_every=3, signals=[[20, "SIGINT"], [20, "SIGINT"]]))
    assert code == 130, log_of(out)
    assert Journal(out / "journal.jsonl", write=False).records()[-1]["kind"] != "end"
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "rsps"))


@pytest.mark.parametrize("traps", [{"signal_in": ["judge", "SIGTERM"]}, {"signal_in": ["write_report", "SIGINT"]}])
def test_a_signal_while_closing(tmp_path: Path, traps: dict[str, Any]) -> None:
    """Whether it came in time to stop something or not: exit code and status say the same."""
    out = tmp_path / "run"
    code = run(order("fit", "random", out, **traps))
    assert (code, result(out)["status"]) in ((0, "finished"), (143, "interrupted"), (130, "interrupted")), log_of(out)
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "random"))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_the_data_is_loaded(tmp_path: Path, name: str) -> None:
    """The first one stops at once: nothing is there to be saved."""
    out = tmp_path / "run"
    assert run(order("fit", "random", out, signal_in=["load", name])) == CODES[name], log_of(out)
    assert not out.exists()
    assert run(order("fit", "random", out, signals=[[9, "SIGTERM"]])) == 143, log_of(out)
    assert resumed(out, signal_in=["load", name]) == CODES[name], log_of(out)
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "random"))


def test_counts_are_not_doubled_by_interruptions(tmp_path: Path) -> None:
    out = tmp_path / "run"
    code = run(order("fit", "rsps", out, signals=[[12, "SIGTERM"]]))
    for record in (8, 9, 10):
        assert code == 143, log_of(out)
        code = resumed(out, signals=[[record, "SIGTERM"]])
    assert code == 143
    assert resumed(out) == 0
    assert_same(out, unbroken("fit", "rsps"))
    where = result(out)["budget"]["where"]
    assert sum(where.values()) <= result(out)["budget"]["seconds"] + 0.1


def test_baselines_and_rival_go_on_too(tmp_path: Path) -> None:
    def words(out: Path, **traps: Any) -> dict[str, Any]:
        made = order("fit", "random", out, **traps)
        made["budget"] = "4 epochs"
        made["options"] |= {"baselines": ["random", "plain"], "rival": True}
        return made

    model, out = tmp_path / "model", tmp_path / "run"
    assert run(words(model)) == 0, log_of(model)
    assert [n["name"] for n in result(model)["networks"]] == ["found", "random", "plain", "rival"]
    budget, records = result(model)["budget"], Journal(model / "journal.jsonl", write=False).records()
    assert budget["spent"] == pytest.approx(4, abs=0.5), "the rival is extra"
    assert 0 < budget["rival_seconds"] < budget["seconds"]
    assert [r["stage"] for r in records if r["kind"] == "stage" and r["event"] == "end"] == [
        "search", "found", "random", "plain", "rival"]  # fmt: skip
    assert all(r["spent"] > 0 for r in records if r["kind"] == "stage" and r["event"] == "end")
    assert [len(n["layer_params"] or ()) for n in result(model)["networks"]] == [2, 2, 2, 0]
    code = run(words(out, signal_at_step=[60, "SIGTERM"]))
    for _ in range(6):
        if code == 0:
            break
        assert code == 143, log_of(out)
        code = resumed(out, signal_at_step=[25, "SIGTERM"])
    assert code == 0 or resumed(out) == 0, log_of(out)
    assert_same(out, model)
