"""An unfinished network says so, in one line, and nothing else changes."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from chronas.cli.run import closing, use_now
from chronas.cli.unfinished import tell_unfinished
from chronas.deploy.bundle import save_bundle
from chronas.reports.summary import summary_lines
from chronas.runs.folder import RunFolder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))
rgb = importlib.import_module("sample_bundle").rgb


def test_one_line_with_the_way_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "my run"
    (run / "model").mkdir(parents=True)
    (run / "spec.json").write_text("{}")
    bundle = dataclasses.replace(rgb(), finished=False, metrics={"val_accuracy": 91.26})
    save_bundle(run / "model", bundle)
    for source in (run, run / "model", run / "model" / "model.json"):
        tell_unfinished(bundle, source)
        out, said = capsys.readouterr()
        assert not out
        assert said.count("\n") == 1
        assert "unfinished (91.3 % on validation images)" in said
        assert f"chronas resume '{run}'" in said
    save_bundle(tmp_path, bundle)
    tell_unfinished(dataclasses.replace(bundle, metrics={"val_accuracy": math.nan}), tmp_path)
    said = capsys.readouterr().err
    assert "it was not judged" in said
    assert "resume" not in said


def test_a_finished_one_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tell_unfinished(rgb(), tmp_path)
    assert capsys.readouterr() == ("", "")


def test_what_the_closing_lines_say() -> None:
    data = {"source": "digits", "val": 144, "test": 10}
    entry = {"notation": "3x3-1x1", "epochs": 2.5, "seconds": 7.0, "val_accuracy": 90.0, "val_images": 144}
    lines = summary_lines({"data": data, "unfinished": entry})
    assert lines == ["Model so far  3x3-1x1, unfinished (2.5 epochs, 7.0 s): 90.0 % on validation"]
    (part,) = summary_lines({"data": data, "unfinished": {**entry, "val_images": 50}})
    assert part.endswith("90.0 % on validation of 50 of 144 images")
    (unjudged,) = summary_lines({"data": data, "unfinished": {**entry, "val_accuracy": None}})
    assert unjudged.endswith("not judged")
    assert summary_lines({"data": data, "unfinished": None}) == []


@pytest.mark.parametrize(("entry", "words"), [({"notation": "x"}, "chronas predict r IMAGE"), (None, "no model")])
def test_what_can_be_done_now(entry: object, words: str) -> None:
    result = SimpleNamespace(result={"unfinished": entry, "data": {"source": "digits"}}, network=lambda: None)
    said = use_now(result, "r")  # type: ignore[arg-type]
    assert words in said
    assert ("chronas train r digits" in said) == (entry is None)


@pytest.mark.parametrize(
    ("spec", "metrics", "line"),
    [
        ({"verb": "search"}, {"val_accuracy": 50.0}, "Best so far   3x3"),
        ({"verb": "search"}, {}, "First         3x3, not judged"),
        ({"verb": "train"}, {}, "Network       3x3"),
    ],
)
def test_only_a_network_that_was_judged_is_the_best(
    tmp_path: Path, spec: dict[str, str], metrics: dict[str, float], line: str
) -> None:
    run = RunFolder.create(tmp_path / "run", spec)
    with run.locked():
        run.write_best({"format": 1, "notation": "3x3", "metrics": metrics})
    result = SimpleNamespace(
        result={"search": None, "networks": []}, interrupted=True, network=lambda: None, path=run.path
    )
    assert line in closing(result, run.path)  # type: ignore[arg-type]
