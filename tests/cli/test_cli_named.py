"""`train` and `show` take SPACE:NOTATION and names where they take a run or an architecture's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_support import Chronas

PLAIN = "resnet:full-16-1-1-1-single"


def test_show_a_notation(chronas: Chronas, tmp_path: Path) -> None:
    ended = chronas("show", PLAIN, "--input", "1x8x8", "--classes", "3")
    assert ended.code == 0
    assert ended.out.startswith("full-16-1-1-1-single   in space resnet")
    assert "for images of 1x8x8 and 3 classes" in ended.out
    assert "dropout=0.0" in ended.err
    assert chronas("show", "resnet-plain").out == chronas("show", "resnet:full-32-1-1-2-basic").out
    narrow = chronas("show", "superkernel:3x3-5x1", "--set", "space.width=8")
    wide = chronas("show", "superkernel:3x3-5x1")
    assert narrow.out != wide.out
    assert "width=32" in wide.err
    assert "width=32" not in narrow.err


def test_train_a_notation(chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("digits", "--budget", "1 epoch", "--limit", "40", "--device", "cpu")
    ended = chronas("train", "superkernel:3x3-1x1", *words, "--set", "space.width=4")
    assert ended.code == 0, ended.err
    assert "dense_limit=9" in ended.err
    run = tmp_path / "runs" / "digits-1"
    assert f"Report        {Path('runs/digits-1/report.html')}" in ended.out
    architecture = json.loads((run / "spec.json").read_text())["architecture"]
    assert (architecture["settings"]["width"], list(architecture["choices"].values())) == (4, ["3x3", "1x1"])
    report = (run / "report.html").read_text()
    assert "Trained a network of the space <b>superkernel</b>" in report
    assert "trained as it was given" in report
    assert chronas("train", PLAIN, *words, "--quiet", "--out", "named").err == ""
    assert (tmp_path / "named" / "model" / "model.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", "resnet:full-16"), 2, "is 6 options joined by '-', but 'full-16' has 2. Example: resnet:full-32-1"),
        (("show", "resnett:full-16"), 2, "Did you mean 'resnet'"),
        (("show", "absent"), 1, "absent is no run folder: it does not exist. A network can also be written as SPACE:"),
        (("show", PLAIN, "--set", "method.k=1"), 2, "settings of the space only, but got method"),
        (("show", PLAIN, "--set", "space.drop=1"), 2, "Did you mean 'dropout'"),
        (("show", PLAIN, "--classes", "-3"), 2, "--classes takes a number from 2 on, but got -3"),
        (("show", PLAIN, "--input", "-3x3x3"), 2, "--input takes CHANNELSxHEIGHTxWIDTH"),
        (("show", PLAIN, "--input", "0x3x3"), 2, "--input takes numbers from 1 on, but got 0x3x3"),
        (("train", PLAIN), 2, "needs DATA"),
        (("train", PLAIN, "digits"), 2, "needs --budget"),
        (("train", "resnet:full", "digits", "--budget", "9s"), 2, "Example: resnet:full-32-1-1-2-basic"),
        (("train", PLAIN, "digits", "--budget", "9s", "--set", "method.k=1"), 2, "recipe settings alone, not method"),
        (("train", "absent", "digits", "--budget", "9s"), 1, "SPACE:NOTATION, for example"),
        (("train",), 2, "or chronas train resnet:full-32-1-1-2-basic photos --budget 20m"),
    ],
)  # fmt: skip
def test_wrong_words(chronas: Chronas, words: tuple[str, ...], code: int, told: str) -> None:
    ended = chronas(*words)
    assert ended.code == code
    assert told in ended.err
    assert ended.out == ""


def test_settings_of_a_space_are_not_for_runs(chronas: Chronas, tiny_run: Path) -> None:
    for words in (("show", tiny_run), ("train", tiny_run, "digits", "--budget", "9s", "--out", tiny_run / "x")):
        ended = chronas(*words, "--set", "space.width=8")
        assert ended.code == 2
        assert "Settings of the space are for SPACE:NOTATION" in ended.err
