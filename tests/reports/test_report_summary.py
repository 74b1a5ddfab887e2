"""The closing table in the terminal."""

from __future__ import annotations

import json
from pathlib import Path

from sample_run import Sample, make_run

from chronas.reports.summary import summary_lines


def lines(tmp_path: Path, sample: Sample) -> list[str]:
    run = make_run(tmp_path / "run", sample)
    return summary_lines(json.loads((run / "result.json").read_text()), run)


def test_columns_are_aligned_and_complete(tmp_path: Path) -> None:
    text = lines(tmp_path, Sample())
    head = next(i for i, line in enumerate(text) if line.startswith("network"))
    table = text[head : head + 4]
    assert len({len(line) for line in table}) == 1
    assert [line.split()[0] for line in table[1:]] == ["found", "random", "plain"]
    assert "98.1 %" in table[1]
    assert "98.5 %" in table[1]
    assert text[0].startswith("Architecture")
    assert any(line.startswith("Time used") and "1m 54s of 2m 00s" in line for line in text)
    assert text[-1].endswith("report.html")


def test_unknown_accuracy_is_a_dash(tmp_path: Path) -> None:
    row = next(line for line in lines(tmp_path, Sample(test=None)) if line.startswith("found"))
    assert row.split()[1] == "-"
    nan = {"networks": [{"name": "found", "test_accuracy": float("nan"), "val_accuracy": None}]}
    assert summary_lines(nan)[1].split()[1:] == ["-"] * 6


def test_epoch_budget_and_empty_result() -> None:
    assert summary_lines({}) == []
    used = summary_lines({"budget": {"amount": 50, "unit": "epochs", "spent": 49.5}})
    assert used == ["Used          49.5 epochs of 50 epochs"]


def test_the_rival_is_told_apart() -> None:
    budget = {"amount": 84, "unit": "seconds", "spent": 83.4, "rival_seconds": 68.0, "where": {"search": 60.0}}
    assert summary_lines({"budget": budget}) == [
        "Time used     83.4 s of 84.0 s",
        "Rival         the same time again, 68.0 s",
        "Spent on      search 60.0 s",
    ]
