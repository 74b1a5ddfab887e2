"""Wrong words: the exit code, the rule and what to do, without a traceback."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from pathlib import Path

import pytest
from cli_support import TINY, Chronas

from chronas import api
from chronas.budget import Budget
from chronas.cli.config import merged
from chronas.cli.fit import parser
from chronas.cli.verbs import VERBS
from chronas.cli.words import Parser
from chronas.deploy.bundle import remove_bundle
from chronas.errors import UsageError
from chronas.execution.interrupt import Interrupted

RUN = ("fit", "digits", "--budget", "1 epochs")


def change(file: Path, **words: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **words}))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fitt",), "Did you mean 'fit'"),
        (("fit", "digits", "--buget", "3s"), "Did you mean --budget?"),
        (("fit", "--buget=3s", "digits"), "Did you mean --budget?"),
        (("fit",), "needs DATA"),
        (("fit", "digits"), "needs --budget"),
        (("train",), "needs a run or an architecture"),
        (("train", "runs/a", "digits", "--budget", "3s", "--set", "method.k=0.2"), "recipe settings alone, not method"),
        (("fit", "digits", "--budget", "30"), "no unit"),
        (("fit", "digits", "--budget", "30 parsecs"), "parsecs"),
        (("fit", "digits", "--budget"), "--budget: needs a value"),
        (("fit", "digits", "--budget", "--quiet"), "--budget: needs a value"),
        (("fit", "digits", "--budget", "-5s"), "A budget must be a positive number with its unit, but got '-5s'"),
        (("fit", "digits", "--budget", "-.5h"), "but got '-.5h'"),
        (("fit", "digits", "--budget", "-inf"), "but got '-inf'"),
        (("fit", "digits", "--budget", "1:30"), "can be hours and minutes, or minutes and seconds"),
        (("compare", "nasbench201", "--methods", "random", "--budget", "-5s"), "must be a positive number"),
        ((*RUN, "--max-params", "-5k"), "--max-params: takes a count such as 900k, 1.5M or 2G, but got '-5k'"),
        ((*RUN, "--seed", "-x"), "--seed: needs a value"),
        ((*RUN, "--seed", "-1.5"), "--seed: takes a whole number, but got '-1.5'"),
        ((*RUN, "--set", "-3"), "--set takes GROUP.NAME=VALUE"),
        (("score", "digits", "--space", "nasbench201", "--samples", "-2"), "at least one network"),
        (("fit", "digits", "more", "--budget", "3s"), "no use for 'more'"),
        ((*RUN, "--method", "nasb"), "Did you mean 'nasib'"),
        ((*RUN, "--space", "superkernal"), "Did you mean 'superkernel'"),
        ((*RUN, "--recipe", "fats"), "Did you mean 'fast'"),
        ((*RUN, "--baseline", "plane"), "Did you mean 'plain'"),
        ((*RUN, "--seed", "x"), "--seed: takes a whole number, but got 'x'"),
        ((*RUN, "--set", "k=1"), "GROUP.NAME=VALUE"),
        ((*RUN, "--set", "metod.k=1"), "Did you mean 'method'"),
        ((*RUN, "--config", "absent.yaml"), "absent.yaml cannot be read"),
        (("list", "method"), "Did you mean 'methods'"),
        (("list", "methods", "nasb"), "Did you mean 'nasib'"),
        (("list", "data", "x"), "takes no name"),
        (("predict", "a"), "missing: IMAGE"),
        (("export", "a"), "missing: --format"),
        (("export", "a", "--format", "onx"), "Did you mean 'onnx'"),
        (("resume",), "missing: RUN"),
    ],
)  # fmt: skip
def test_usage_errors_exit_with_2(chronas: Chronas, words: tuple[str, ...], told: str) -> None:
    ended = chronas(*words)
    assert ended.code == 2
    assert ended.err.startswith("chronas: ")
    assert told in ended.err
    assert ended.out == ""


def test_an_unknown_baseline_is_told_before_a_folder_is_made(tmp_path: Path) -> None:
    options = api.Options(baselines=("plane",), settings={"space": {"layers": 2, "width": 4, "m": 3}}, method="random")
    with pytest.raises(UsageError, match="Did you mean 'plain'"):
        api.fit("digits", budget="1 epochs", out=tmp_path / "r", options=options)
    assert not (tmp_path / "r").exists()


def test_what_is_not_there_exits_with_1(chronas: Chronas, tmp_path: Path) -> None:
    for words in (
        ("fit", tmp_path / "absent", "--budget", "3s", "--out", tmp_path / "r"),
        ("resume", tmp_path / "absent"),
        ("show", tmp_path / "absent"),
        ("report", tmp_path / "absent"),
        ("predict", tmp_path / "absent", "x.png"),
        ("train", tmp_path / "absent", "digits", "--budget", "3s"),
    ):
        ended = chronas(*words)
        assert ended.code == 1
        assert str(tmp_path / "absent") in ended.err
    assert not (tmp_path / "r").exists()


def test_an_existing_run_is_not_overwritten(chronas: Chronas, tiny_run: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in tiny_run.iterdir() if file.name != "lock"}
    ended = chronas("fit", "digits", "--budget", "1 epochs", "--out", tiny_run, *TINY)
    assert ended.code == 2
    assert f"chronas resume {tiny_run}" in ended.err
    assert {file: file.stat().st_mtime_ns for file in tiny_run.iterdir() if file.name != "lock"} == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("budgte: 3s", "Did you mean 'budget'"),
        ("metods: nasib", "Did you mean 'method'"),
        ("settings: {metod: {k: 1}}", "Did you mean 'method'"),
        ("settings: [1]", "groups of values"),
        ("rival: perhaps", "true or false"),
        ("seed: [1, 2]", "one word or number"),
        ("seed: soon", "takes a whole number"),
        ("budget: 30", "no unit"),
        ("- budget", "must hold words and values"),
        ("budget: [3s", "is not YAML"),
    ],
)
def test_config_files_are_checked(chronas: Chronas, tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    budget = () if "budget" in text else ("--budget", "1 epochs")
    ended = chronas("fit", "digits", *budget, "--config", file)
    assert ended.code == 2
    assert told in ended.err


@pytest.mark.parametrize(
    ("text", "budget"), [("0:20:00", 1200), ("00:00:20", 20), ("'1:30:00'", 5400), ("1h 30", 5400)]
)
def test_a_budget_in_yaml_means_what_it_means_on_the_command_line(tmp_path: Path, text: str, budget: float) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"budget: {text}\nseed: 3\n")
    words = merged(parser(), parser().read(["digits", "--config", str(file)]))
    assert Budget.parse(words.budget) == Budget(budget, "seconds")
    assert words.seed == 3


@pytest.mark.parametrize(
    ("text", "word", "value"),
    [
        ("mirror: no", "mirror", "no"),
        ("mirror: 'no'", "mirror", "no"),
        ("range: -1:1", "range", "-1:1"),
        ("out: 2026-01-02", "out", "2026-01-02"),
        ("out: 010", "out", "010"),
        ("seed: 7", "seed", 7),
        ("limit: 1_000", "limit", 1000),
        ("rival: yes", "rival", True),
        ("baseline: [plain, random]", "baseline", ["plain", "random"]),
        ("data: 2026", "data", "2026"),
        ("seed: null", "seed", None),
        ("settings: {method: {k: 0.5}}", "settings", {"method": {"k": 0.5}}),
    ],
)
def test_a_word_in_yaml_means_what_it_means_on_the_command_line(
    tmp_path: Path, text: str, word: str, value: object
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    words = vars(merged(parser(), parser().read(["--config", str(file)])))
    assert words.get(word) == value


def test_a_bug_leaves_its_traceback_in_the_run(
    chronas: Chronas, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: object, **more: object) -> api.RunResult:
        raise RuntimeError("wires crossed")

    monkeypatch.setattr(api, "resume", broken)
    ended = chronas("resume", tiny_run)
    assert ended.code == 1
    assert "bug" in ended.err
    assert "RuntimeError: wires crossed" in ended.err
    assert "Traceback" in (tiny_run / "crash.txt").read_text()
    (tiny_run / "crash.txt").unlink()


def test_debug_shows_the_traceback(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*words: object, **more: object) -> api.RunResult:
        raise RuntimeError("wires crossed")

    from chronas.cli import main

    monkeypatch.setattr(api, "resume", broken)
    monkeypatch.setenv("CHRONAS_DEBUG", "1")
    with pytest.raises(SystemExit):
        main(["resume", str(tiny_run)])
    assert "Traceback" in capsys.readouterr().err
    assert not (tiny_run / "crash.txt").exists()


@pytest.mark.parametrize(
    ("stopped", "code"), [(Interrupted(2), 130), (Interrupted(15), 143), (KeyboardInterrupt(), 130)]
)
def test_a_second_signal_stops_at_once(
    chronas: Chronas, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: BaseException, code: int
) -> None:
    def interrupted(*words: object, **more: object) -> api.RunResult:
        raise stopped

    monkeypatch.setattr(api, "resume", interrupted)
    run = shutil.copytree(tiny_run, tmp_path / "run")
    change(run / "result.json", status="interrupted")
    ended = chronas("resume", run)
    assert ended.code == code
    assert ended.err == (
        f"chronas: Stopped at once. Go on with: chronas resume {run}; the weights kept last are there for chronas "
        "predict and export.\n"
    )
    remove_bundle(run / "model")
    assert chronas("resume", run).err == f"chronas: Stopped at once. Go on with: chronas resume {run}\n"


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("verb", ["predict", "show", "export", "report", "resume"])
def test_what_is_done_with_a_run_is_not_gone_on_with(
    chronas: Chronas, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, finished: bool
) -> None:
    def stopped(words: object, started: float) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(VERBS[verb].module), "run", stopped)
    run = shutil.copytree(tiny_run, tmp_path / "run")
    change(run / "result.json", status="finished" if finished else "interrupted")
    words = {"predict": [run, "a.png"], "export": [run, "--format", "onnx"]}.get(verb, [run])
    ended = chronas(verb, *words)
    assert ended.code == 130
    assert ("resume" in ended.err) == (verb == "resume" and not finished)


def test_a_missing_extra_names_the_command(chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ended = chronas("fit", "digits", "--budget", "1 epochs", "--out", tmp_path / "r", "--tensorboard", *TINY)
    assert ended.code == 1
    assert "pip install -e '.[tensorboard]'" in ended.err


def test_words_that_are_not_given_are_absent() -> None:
    parser = Parser("x", "")
    parser.option("--a")
    assert vars(parser.read([])) == {}
    with pytest.raises(UsageError, match="no option --b"):
        parser.read(["--b", "1"])


def test_messages_wrap_on_narrow_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    from chronas.cli import main

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((40, 24)))
    with pytest.raises(SystemExit):
        main(["fit", "digits", "--budget", "1 epochs", "--method", "nasb"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) < 40


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--size", "-5", "-5"),
        ("--limit", "-3", "-3"),
        ("--val-share", "-0.1", "-0.1"),
        ("--val-share", "-1e-1", "-0.1"),
        ("--test-share", "-0.5", "-0.5"),
        ("--search-share", "-1e-3", "-0.001"),
    ],
)
def test_negative_values_are_told_as_values(
    chronas: Chronas, tmp_path: Path, option: str, value: str, told: str
) -> None:
    ended = chronas("fit", "digits", "--budget", "20s", "--out", tmp_path / "r", option, value)
    assert ended.code != 0
    assert told in ended.err
    assert "needs a value" not in ended.err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fit", "digits", "--budget", "20s", "--out", "FILE/sub"), "FILE is a file, so no folder can be made in it"),
        (("train", "resnet-plain", "digits", "--budget", "20s", "--out", "FILE/a/b"), "FILE is a file, so no folder"),
        (("score", "digits", "--space", "nasbench201", "--samples", "2", "--out", "FILE/x.csv"), "FILE is a file, so"),
        (("compare", "nasbench201", "--methods", "random", "--runs", "1", "--out", "FILE/x"), "FILE is a file, so no"),
        (("export", "RUN", "--format", "python", "--out", "FILE/x.py"), "FILE is a file, so no folder can be made in"),
        (("export", "FILE/x", "--format", "onnx"), "FILE is a file, not a folder"),
        (("predict", "FILE/x", "a.png"), "FILE is a file, not a folder"),
        (("report", "FILE/x"), "FILE is a file, not a folder"),
        (("resume", "FILE/x"), "FILE is a file, not a folder"),
        (("show", "FILE/x"), "FILE is a file, not a folder"),
    ],
)
def test_a_place_below_a_file(
    chronas: Chronas, tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("x")
    ended = chronas(*(str(tiny_run) if word == "RUN" else word for word in words))
    assert ended.code in (1, 2)
    assert told in ended.err
    assert "No permission" not in ended.err
    assert (tmp_path / "FILE").read_text() == "x"
