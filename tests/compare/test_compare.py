"""Comparisons: references by hand, determinism, what people see."""

from __future__ import annotations

import csv
import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_table import made_up

from chronas.baselines import random_search
from chronas.benchmarks import Table, load
from chronas.benchmarks.testing_door import test_accuracy
from chronas.budget import Budget
from chronas.cli.compare import parser, run
from chronas.compare import RANDOM_SEARCH, Contender, compare
from chronas.comparison import Comparison, Split, ranks
from chronas.errors import TableError, UnknownNameError, UsageError
from chronas.execution.lookup import Lookup, ProxyScores
from chronas.execution.scores import read_scores, write_npz
from chronas.reports.comparison import FILES, plain_table, table, write_comparison

MAIN: Split = ("one", "test")


@pytest.fixture
def made(tmp_path: Path) -> Table:
    return made_up(tmp_path)


@pytest.fixture
def result(made: Table) -> Comparison:
    scores = {"naswot": ProxyScores(np.arange(64.0), 0.5)}
    return compare(made, ["random", "rea", "naswot"], "one", "400s", 12, proxy_scores=scores)


def test_references_are_always_there(made: Table, result: Comparison) -> None:
    labels = [line.label for line in result.lines]
    assert labels == ["random", "rea", "naswot", RANDOM_SEARCH, "random choice", "optimal of 10", "optimal of 100",
                      "optimum of the table"]  # fmt: skip
    best = result.line("optimum of the table")
    everything = np.arange(64)
    for dataset in ("one", "two"):
        expected = test_accuracy(made, dataset, everything)
        assert best.mean((dataset, "test")) == expected.max()
    assert best.mean(MAIN) >= max(line.mean(MAIN) for line in result.lines)
    assert result.line("optimal of 100").mean(MAIN) > result.line("optimal of 10").mean(MAIN)
    assert result.line("optimal of 10").mean(MAIN) > result.line("random choice").mean(MAIN)


def test_what_is_reported_is_of_the_chosen_network(made: Table, result: Comparison) -> None:
    # naswot takes the largest row that it drew; 1000 draws of 64 hold the last one.
    chosen = made.choices(63)
    line = result.line("naswot")
    assert (line.values["one", "test"] == test_accuracy(made, "one", chosen)).all()
    assert (line.values["two", "test"] == test_accuracy(made, "two", chosen)).all()
    assert (line.values["one", "val"] == made.validation("one", chosen, 48).val_accuracy).all()
    assert line.evaluations is not None
    assert line.spent is not None
    assert (line.evaluations == 64).all()
    assert (line.spent == 32).all()


def test_statistics() -> None:
    assert ranks({"a": np.array([3.0, 1]), "b": np.array([2.0, 1]), "c": np.array([1.0, 0])}) == {
        "a": 1.25,
        "b": 1.75,
        "c": 3,
    }
    assert ranks({}) == {}


def test_the_difference_is_in_standard_errors(result: Comparison) -> None:
    line, base = result.line("rea"), result.baseline
    a, b = line.values[MAIN], base.values[MAIN]
    error = math.sqrt(a.var(ddof=1) / 12 + b.var(ddof=1) / 12)
    assert result.difference(line) == pytest.approx((a.mean() - b.mean()) / error)
    assert result.difference(base) is None


def test_random_search_is_the_method_random(made: Table) -> None:
    """Drawn with whole arrays, it has the distribution of the method that asks one by one."""
    found = compare(made, ["random"], "one", "400s", 300)
    method, base = found.line("random"), found.baseline
    assert method.spent is not None
    assert base.spent is not None
    assert abs(found.difference(method) or 0) < 3.5
    assert method.spent.mean() == pytest.approx(base.spent.mean(), abs=4)
    assert (base.spent <= 400).all()


@pytest.mark.parametrize("workers", [1, 3])
def test_random_search_by_hand(made: Table, workers: int) -> None:
    lookup = Lookup(made, "one", epochs=12)
    times = np.array([12.0, 100, 400])
    found = random_search(lookup, Budget.parse("400s"), 20, workers=workers, seed=3, times=times)
    again = random_search(lookup, Budget.parse("400s"), 20, workers=workers, seed=3, times=times)
    assert (found.curve == again.curve).all()
    accuracy, _ = lookup.whole()
    later = accuracy[found.curve[:, 2]] - accuracy[found.curve[:, 1]]
    assert (later >= 0).all()
    assert (found.chosen == found.curve[:, -1]).all()
    # With a mean price of 30 s a worker makes about 13 evaluations.
    assert 11 * workers < found.evaluations.mean() < 15 * workers


def test_same_seed_same_result_whatever_the_processes(made: Table, result: Comparison) -> None:
    scores = {"naswot": ProxyScores(np.arange(64.0), 0.5)}
    again = compare(made, ["rea", "naswot"], "one", "400s", 12, proxy_scores=scores, processes=2)
    assert (again.line("rea").values[MAIN] == result.line("rea").values[MAIN]).all()
    other = compare(made, ["rea"], "one", "400s", 12, seed=1)
    assert (other.line("rea").values[MAIN] != result.line("rea").values[MAIN]).any()


def test_curves_begin_where_every_run_has_chosen_and_end_at_the_result(result: Comparison) -> None:
    for label in ("random", "rea", RANDOM_SEARCH):
        mean, _ = result.curves[label][MAIN]
        known = np.isfinite(mean)
        assert known[-1]
        assert not known[0]
        assert known[int(np.argmax(known)) :].all()
        assert mean[-1] == pytest.approx(result.line(label).mean(MAIN))


def test_several_workers_and_evaluations(made: Table) -> None:
    many = compare(made, ["rea"], "one", "400s", 5, workers=4)
    single = compare(made, ["rea"], "one", "400s", 5)
    ours, theirs = many.line("rea").evaluations, single.line("rea").evaluations
    assert ours is not None
    assert theirs is not None
    assert ours.mean() > 3 * theirs.mean()
    counted = compare(made, ["rea"], "one", "20 evaluations", 5)
    told = counted.line("rea").evaluations
    assert told is not None
    assert (told == 20).all()
    assert counted.times[-1] == 20


def test_wrong_words(made: Table) -> None:
    with pytest.raises(UnknownNameError, match="There is no method named 'raa'"):
        compare(made, ["raa"], "one", "400s", 2)
    with pytest.raises(UnknownNameError, match="preset of rea"):
        compare(made, ["rea:papr"], "one", "400s", 2)
    with pytest.raises(UnknownNameError, match="data set of made_up"):
        compare(made, ["rea"], "cifar", "400s", 2)
    with pytest.raises(UsageError, match="trains a supernet"):
        compare(made, ["nasib"], "one", "400s", 2)
    with pytest.raises(UsageError, match="twice"):
        compare(made, ["rea", "rea"], "one", "400s", 2)
    with pytest.raises(UsageError, match="Give at least 48"):
        compare(made, ["rea"], "one", "20s", 9)
    with pytest.raises(UsageError, match="at least one run"):
        compare(made, ["rea"], "one", "400s", 0)
    with pytest.raises(UsageError, match="--scores FILE"):
        compare(made, ["area"], "one", "400s", 2)


def test_presets(made: Table) -> None:
    assert Contender.parse("rea").resolved("made_up")[1].again
    assert not Contender.parse("rea:default").resolved("made_up")[1].again
    assert Contender.parse("rea", {"rea": {"population": "7"}}).resolved("made_up")[1].population == 7
    assert Contender.parse("bohb").resolved("nasbench201")[1].samples == 4


def test_the_files(result: Comparison, tmp_path: Path) -> None:
    paths = write_comparison(result, tmp_path / "out")
    assert tuple(path.name for path in paths) == FILES
    page = paths[0].read_text(encoding="utf-8")
    assert "<svg" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<figure>") == 2
    rows = list(csv.DictReader(paths[1].read_text(encoding="utf-8").splitlines()))
    own = next(row for row in rows if row["method"] == "rea" and (row["dataset"], row["split"]) == MAIN)
    assert float(own["mean"]) == pytest.approx(result.line("rea").mean(MAIN), rel=1e-5)
    assert int(own["runs"]) == 12
    assert {row["method"] for row in csv.DictReader(paths[2].read_text(encoding="utf-8").splitlines())} == set(
        result.curves
    )
    head, cells = table(result)
    assert len(head) == len(cells[0])
    text = plain_table(result)
    line = result.line("rea")
    assert f"{line.mean(MAIN):.2f} ± {line.std(MAIN):.2f}" in text
    assert "optimum of the table" in text


def test_who_ended_early_is_named(made: Table, tmp_path: Path) -> None:
    short = compare(made, ["halving", "rea"], "one", "10000s", 3)
    assert short.ended_early(short.line("halving"))
    note = next(line for line in plain_table(short).splitlines() if "ended by themselves" in line)
    assert "halving (after " in note
    assert note in write_comparison(short, tmp_path)[0].read_text(encoding="utf-8")
    assert "ended by themselves" not in plain_table(compare(made, ["rea"], "one", "400s", 3))


def test_missing_scores_are_found_before_anything_runs(made: Table) -> None:
    def progress(name: str, done: int) -> None:
        raise AssertionError(f"{name} ran")

    scores = {"naswot": ProxyScores(np.arange(64.0), 0.5)}
    asked = Contender("area", settings={"proxy": "synflow"})
    with pytest.raises(UsageError, match=r"scores by 'synflow'.*known: naswot.*--scores"):
        compare(made, ["rea", asked], "one", "400s", 3, proxy_scores=scores, progress=progress)


@pytest.mark.parametrize("name", ["made_up_grad_norm", "my_jacob_cov", "naswot", "made_up_naswot"])
def test_a_file_of_scores_names_its_proxy(made: Table, tmp_path: Path, name: str) -> None:
    write_npz(tmp_path / f"{name}.npz", np.arange(64), np.ones((64, 1)), 0.5)
    [proxy] = read_scores(tmp_path / f"{name}.npz", made)
    assert proxy == next(p for p in ("grad_norm", "jacob_cov", "naswot") if name.endswith(p))


def test_a_difference_to_what_is_unknown_is_none(result: Comparison) -> None:
    line = dataclasses.replace(result.line("rea"), values={MAIN: np.array([math.nan, 1.0])})
    assert result.difference(line) is None


def test_scores_in_files(made: Table, tmp_path: Path) -> None:
    values = np.stack([np.arange(64.0), np.arange(64.0) + 100], axis=1)
    values[3] = np.nan
    path = tmp_path / "made_up_naswot.npz"
    write_npz(path, np.arange(64), values, 0.25)
    found = read_scores(path, made)["naswot"]
    assert found.draws == 2
    assert found.of(10, 0) == (10.0, 0.25)
    assert found.of(10, 1) == (110.0, 0.25)
    assert math.isnan(found.of(3, 0)[0])
    write_npz(path, [70], [[1.0]], 0.25)
    with pytest.raises(TableError, match="another table"):
        read_scores(path, made)
    path.write_bytes(b"nothing")
    with pytest.raises(TableError, match="no scores that can be read"):
        read_scores(path, made)
    with pytest.raises(UsageError, match="There is no file"):
        read_scores(tmp_path / "absent_naswot.npz", made)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = parser().read(["nasbench201", "--methods", "random,rea", "--runs", "3", "--budget", "3000s",
                           "--set", "rea.population=5", "--out", str(tmp_path / "out")])  # fmt: skip
    assert run(words, 0.0) == 0
    shown = capsys.readouterr().out
    assert "random search" in shown
    assert "optimum of the table" in shown
    assert max(map(len, shown.splitlines()[:20])) <= 80
    assert (tmp_path / "out" / "comparison.html").exists()
    with pytest.raises(UsageError, match="not compared"):
        run(parser().read(["nasbench201", "--methods", "rea", "--set", "bohb.eta=2"]), 0.0)
    with pytest.raises(UsageError, match="needs --methods"):
        run(parser().read(["nasbench201"]), 0.0)


def test_the_command_brings_no_torch() -> None:
    code = (
        "import sys; from chronas.cli.compare import parser, run;"
        "run(parser().read(['nasbench201', '--methods', 'random,rea', '--runs', '1']), 0.0);"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


def test_known_answers_of_the_published_table() -> None:
    """The rows of NASWOT's table 2 (a) that need no scores, within half of their printed deviation."""
    found = compare(load("nasbench201"), ["rea"], "cifar10", "12000s", 60)
    published = {"rea": (93.92, 0.30), RANDOM_SEARCH: (93.70, 0.36), "optimal of 10": (93.06, 0.59),
                 "optimal of 100": (93.84, 0.23)}  # fmt: skip
    for label, (mean, std) in published.items():
        line = found.line(label)
        assert abs(line.mean(("cifar10", "test")) - mean) < std / 2, label
        assert 0.5 * std < line.std(("cifar10", "test")) < 2 * std, label
    assert found.line("optimum of the table").mean(("cifar10", "test")) == pytest.approx(94.37, abs=0.01)
