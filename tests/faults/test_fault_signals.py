"""Ctrl-C, SIGTERM and SIGHUP: the step is finished, what was trained is kept as a model, and a resume ends like an
unbroken run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_runs import SPACE, assert_same, log_of, order, read, result, resumed, run, unbroken

from chronas.architecture import Architecture
from chronas.deploy.bundle import load_bundle
from chronas.errors import RunError
from chronas.execution.interrupt import IMPATIENT_AFTER
from chronas.runs.journal import Journal

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
LATER = 1.1 * IMPATIENT_AFTER
"""So long after the first signal, a second one stops at once."""


def assert_ended_cleanly(out: Path) -> None:
    assert result(out)["status"] == "interrupted"
    last = Journal(out / "journal.jsonl", write=False).records()[-1]
    assert (last["kind"], last["reason"]) == ("end", "interrupted")
    assert "chronas resume" in last["message"]
    assert Architecture.from_json(read(out, "best.json")["architecture"]).notation
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


def assert_a_model_is_there(out: Path, stage: str) -> None:
    """It says that it is unfinished, has been judged, can be used, and is no row of the result."""
    bundle, entry = load_bundle(out), result(out)["unfinished"]
    assert not bundle.finished
    assert entry["stage"] == stage
    assert entry["notation"] == bundle.architecture.notation
    assert 0 <= entry["val_accuracy"] == bundle.metrics["val_accuracy"] <= 100
    assert entry["val_images"] == result(out)["data"]["val"]
    assert entry["epochs"] > 0
    assert bundle.net(torch.zeros(2, 1, 8, 8)).isfinite().all()
    assert not result(out)["networks"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("method", "step", "stage"),
    [("nasib", 4, "search"), ("rsps", 20, "found"), ("halving", 21, "search"), ("random", 7, "search")],
)
def test_a_signal_in_the_middle_of_a_slice(tmp_path: Path, name: str, method: str, step: int, stage: str) -> None:
    out = tmp_path / "run"
    code = run(order("fit", method, out, snapshots_every=5, signal_at_step=[step, name]))
    assert code == CODES[name], log_of(out)
    assert_ended_cleanly(out)
    assert_a_model_is_there(out, stage)
    assert resumed(out) == 0, log_of(out)
    assert load_bundle(out).finished
    assert result(out)["unfinished"] is None
    assert_same(out, unbroken("fit", method))


def test_a_hang_up(tmp_path: Path) -> None:
    out = tmp_path / "run"
    signals = [[30, "SIGHUP"], [30, "SIGHUP"], [30, "SIGHUP", LATER]]
    assert run(order("fit", "rsps", out, signals=signals)) == CODES["SIGHUP"], log_of(out)
    assert_ended_cleanly(out)
    assert_a_model_is_there(out, "search")
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "rsps"))


def test_at_the_start_of_the_training_what_the_search_trained_is_at_hand(tmp_path: Path) -> None:
    out = tmp_path / "run"
    records = Journal(unbroken("fit", "random") / "journal.jsonl", write=False).records()
    begins = next(n for n, r in enumerate(records, 1) if r["stage"] == "found")
    assert run(order("fit", "random", out, signals=[[begins, "SIGINT"]])) == 130, log_of(out)
    assert_a_model_is_there(out, "found")
    judged = [r["metrics"]["val_accuracy"] for r in records if r["kind"] == "outcome"]
    assert result(out)["unfinished"]["val_accuracy"] == max(judged)


def test_a_search_that_ends_leaves_no_unfinished_model(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(order("search", "random", out, signal_at_step=[21, "SIGINT"])) == 130, log_of(out)
    assert_a_model_is_there(out, "search")
    assert resumed(out) == 0, log_of(out)
    assert result(out)["unfinished"] is None
    assert_same(out, unbroken("search", "random"))
    with pytest.raises(RunError, match="chronas train"):
        load_bundle(out)


def test_a_second_signal_while_the_model_is_judged_leaves_one(tmp_path: Path) -> None:
    out = tmp_path / "run"
    traps: dict[str, Any] = {"signals": [[30, "SIGINT"]], "signal_in": ["metrics_of", "SIGINT", LATER]}
    assert run(order("fit", "rsps", out, **traps)) == 130, log_of(out)
    assert Journal(out / "journal.jsonl", write=False).records()[-1]["kind"] != "end"
    bundle = load_bundle(out)
    assert not bundle.finished
    assert not bundle.metrics
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "rsps"))


def test_the_better_model_of_two_interruptions_stays(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(order("search", "rsps", out, signals=[[30, "SIGINT"]])) == 130, log_of(out)
    first = result(out)
    first["unfinished"]["val_accuracy"] = 100.5
    (out / "result.json").write_text(json.dumps(first), encoding="utf-8")
    before = (out / "model" / "model.safetensors").read_bytes()
    assert resumed(out, signals=[[9, "SIGINT"]]) == 130, log_of(out)
    assert result(out)["unfinished"]["val_accuracy"] == 100.5
    assert (out / "model" / "model.safetensors").read_bytes() == before
    second = result(out)
    second["unfinished"]["val_accuracy"] = -1.0
    (out / "result.json").write_text(json.dumps(second), encoding="utf-8")
    assert resumed(out, signals=[[9, "SIGINT"]]) == 130, log_of(out)
    assert result(out)["unfinished"]["val_accuracy"] >= 0
    assert (out / "model" / "model.safetensors").read_bytes() != before


def test_a_search_without_training_has_a_best_and_no_model(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = order("search", "random", out, signals=[[6, "SIGTERM"]])
    words["options"] |= {"method": "naswot", "settings": {"space": SPACE}}
    assert run({**words, "budget": "40 evaluations"}) == 143, log_of(out)
    assert_ended_cleanly(out)
    assert result(out)["unfinished"] is None
    with pytest.raises(RunError, match="chronas resume"):
        load_bundle(out)


@pytest.mark.parametrize(("name", "record"), [("SIGTERM", 6), ("SIGINT", 30), ("SIGTERM", 40)])
def test_a_signal_between_two_pieces_of_work(tmp_path: Path, name: str, record: int) -> None:
    out = tmp_path / "run"
    assert run(order("search", "rsps", out, signals=[[record, name]])) == CODES[name], log_of(out)
    assert_ended_cleanly(out)
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("search", "rsps"))


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    out = tmp_path / "run"
    code = run(order("fit", "rsps", out, snapshots_every=3, signals=[[20, "SIGINT"], [20, "SIGINT", LATER]]))
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
