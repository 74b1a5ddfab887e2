"""The reproductions of NASWOT's figures and tables run through at tiny sizes, go on, and count right."""

from __future__ import annotations

import importlib
import json
import math
import xml.etree.ElementTree as ET
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chronas.spaces.moves import enumerate_all

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts' folders on the path, and torch's threads put back afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.syspath_prepend(str(FOLDER / "reproduce"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def script(name: str) -> Any:
    return importlib.import_module(name)


def run(out: Path, name: str, *more: str, script_name: str = "figures") -> dict[str, Any]:
    first = [name] if script_name == "figures" else []
    assert script(script_name).main([*first, "--small", "--threads", "1", "--out", str(out), *more]) == 0
    (file,) = out.glob("*.json")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert content["format"] == 1
    assert content["machines"][0]["cores"] >= 1
    assert content["commands"][0].startswith(f".venv/bin/python benchmarks/reproduce/{script_name}.py")
    assert "|---" in file.with_suffix(".md").read_text(encoding="utf-8")
    return content


def drawn(out: Path, tag: str) -> list[ET.Element]:
    """Elements of the figure of one kind."""
    (file,) = out.glob("*.svg")
    return [part for part in ET.fromstring(file.read_text(encoding="utf-8")).iter() if part.tag.endswith(tag)]


def test_figure1_shows_kernels_from_the_worst_to_the_best(tmp_path: Path) -> None:
    content = run(tmp_path, "figure1", "--tables", "nasbench201")
    networks = [piece["networks"][0] for piece in content["pieces"].values()]
    accuracies = [network["accuracy"] for network in networks]
    assert accuracies == sorted(accuracies)
    assert len(drawn(tmp_path, "image")) == len(networks) == 5
    for network in networks:
        kernel = script("pictures").unpack_matrix(network["kernel"])
        assert kernel.shape == (6, 6)
        assert (np.diag(kernel) == 1).all()
        apart = (kernel.sum() - 6) / 30
        assert network["similarity"] == pytest.approx(apart, abs=0.005)


def test_figure3_in_the_tables_that_are_there(tmp_path: Path, shared_data: Path) -> None:
    names = "nasbench201,nasbench101_sample,nasbench_macro,transnas_micro,transnas_macro"
    content = run(tmp_path, "figure3", "--tables", names)
    assert content["finished"]
    assert {key.split(" ")[0] for key in content["pieces"]} == set(names.split(","))
    assert not [key for key in content["pieces"] if " from " in key]
    # Three data sets of NAS-Bench-201, one of each of the others.
    assert sum(part.get("class") == "d" for part in drawn(tmp_path, "path")) == 7
    assert set(content["summary"]["tau of naswot"]) >= {"nasbench201 imagenet16", "transnas_micro jigsaw"}


def test_figure3_without_the_other_tables_goes_on_later(tmp_path: Path) -> None:
    apart = ("--tables", "nasbench201,nasbench_macro", "--shared", str(tmp_path / "none"))
    stopped = run(tmp_path, "figure3", *apart, "--limit-minutes", "0")
    assert not stopped["finished"]
    assert not stopped["pieces"]
    content = run(tmp_path, "figure3", *apart)
    assert content["finished"]
    assert {key.split(" ")[0] for key in content["pieces"]} == {"nasbench201"}
    assert run(tmp_path, "figure3", *apart)["pieces"] == content["pieces"]


def test_figure4_has_a_bar_for_each_score_and_the_aggregate(tmp_path: Path) -> None:
    content = run(tmp_path, "figure4", "--tables", "nasbench201", "--proxies", "naswot,synflow",
                  "--aggregate", "naswot,synflow,params")  # fmt: skip
    assert {key.split(" ")[1] for key in content["pieces"]} == {"accuracies", "naswot", "synflow", "params"}
    taus = content["summary"]["tau"]
    assert {key.split(" ")[2] for key in taus} == {"naswot", "synflow", "aggregate"}
    assert all(-1 <= value <= 1 for values in taus.values() for value in values)
    titled = [part for part in drawn(tmp_path, "rect") if len(part)]
    assert len(titled) == len(taus) == 9


def test_figure5_repeats_each_change(tmp_path: Path) -> None:
    content = run(tmp_path, "figure5")
    chosen = content["pieces"].pop("seed=0 networks")
    assert chosen["accuracy"] == sorted(chosen["accuracy"])
    assert len(chosen["rows"]) == 3
    assert len(content["pieces"]) == 3 * (3 + 2)
    for key, piece in content["pieces"].items():
        first, second = piece["scores"].split()
        assert first != second, key


def test_figure6_goes_on_in_the_middle_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = script("common")
    whole = run(tmp_path / "whole", "figure6", "--seeds", "3")
    rows = whole["pieces"]["seed=3 networks"]["rows"]
    curve = whole["pieces"][f"seed=3 row {rows[0]}"]["curve"]
    # Before training, and four times in the only epoch.
    assert len(curve) == 5
    assert [epoch for epoch, _, _ in curve][::4] == [0.0, 1.0]
    assert len({score for _, score, _ in curve}) > 1

    looks: list[int] = []

    def once(record: Any, takes: float = 0.0) -> None:
        looks.append(1)
        # The look of the first piece, of the first network, and at the end of its first epoch.
        if len(looks) == 3:
            raise common.OutOfTime

    monkeypatch.setattr(common.Record, "check_time", once)
    stopped = run(tmp_path / "cut", "figure6", "--seeds", "3")
    assert set(stopped["pieces"]) == {"seed=3 networks"}
    assert len(list((tmp_path / "cut").rglob("*.safetensors"))) == 1
    again = run(tmp_path / "cut", "figure6", "--seeds", "3")
    assert again["finished"]
    assert again["pieces"][f"seed=3 row {rows[0]}"]["curve"] == curve
    assert not list((tmp_path / "cut").rglob("*.safetensors"))


def test_figure7_compares_methods_on_the_table(tmp_path: Path) -> None:
    scores = tmp_path / "in" / "nasbench201_naswot.npz"
    scores.parent.mkdir()
    script("time_figure")
    writer = importlib.import_module("chronas.execution.scores").write_npz
    writer(scores, np.arange(15625), np.random.default_rng(0).normal(size=(15625, 2)), 0.25)
    content = run(tmp_path, "figure7", "--methods", "naswot,rea", "--scores", str(scores))
    labels = [piece["label"] for piece in content["pieces"].values()]
    assert labels == ["random search", "naswot 10", "naswot 100", "naswot 1000", "rea"]
    found = content["pieces"]["seed=0 naswot 100"]
    assert found["spent"] == pytest.approx(0.25 * found["evaluations"], abs=0.01)
    assert 80 < found["evaluations"] <= 100
    assert sorted(content["summary"]["order"]) == sorted(labels)
    assert len(drawn(tmp_path, "circle")) == len(labels)


def test_figure7_leaves_out_what_needs_scores_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script("time_figure"), "shipped_scores", lambda table: {})
    content = run(tmp_path, "figure7", "--methods", "naswot,area,rea", "--scores", str(tmp_path / "none.parquet"))
    assert set(content["pieces"]) == {"seed=0 random search", "seed=0 rea"}


def test_no_figure_is_made_without_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert script("figures").main([]) == 2
    assert "figure6" in capsys.readouterr().err


def test_proxies_table_has_every_proxy_and_the_published_scores(tmp_path: Path, shared_data: Path) -> None:
    content = run(tmp_path, "", "--aggregates", "naswot+synflow,naswot+nosuch", script_name="proxies_table")
    proxies = set(importlib.import_module("chronas.proxies").PROXIES.names())
    assert {key.removeprefix("seed=0 ") for key in content["pieces"]} == proxies
    summary = content["summary"]
    joined = {name for name in summary["proxies"] if name.startswith("ranks of ")}
    assert joined == {f"ranks of all {len(proxies) - 2}", "ranks of naswot + synflow"}
    parts = [summary["proxies"][name]["seconds"] for name in ("naswot", "synflow", "ranks of naswot + synflow")]
    assert parts[0] + parts[1] == pytest.approx(parts[2], abs=1e-4)
    assert {"nwot, published", "naswot, here", "epe_nas, published"} <= set(summary["published"])
    assert "epe_nas, here" not in summary["published"]


def test_table1_searches_where_a_table_is_closed(tmp_path: Path, shared_data: Path) -> None:
    content = run(tmp_path, "", script_name="table1_nasbench101")
    rows = content["summary"]["ecnas_4v"]
    assert set(rows) == {"Random", "RS", "NASWOT N=10", "NASWOT N=100", "REA", "AREA", "Optimal N=10",
                         "Optimal N=100", "best of all"}  # fmt: skip
    assert rows["best of all"]["mean"] >= rows["Optimal N=100"]["mean"] >= rows["Optimal N=10"]["mean"]
    assert all(rows[name]["mean"] <= rows["best of all"]["mean"] for name in rows)
    seconds = content["pieces"]["ecnas_4v scores seed=0"]["seconds"]
    assert rows["NASWOT N=10"]["seconds"] == pytest.approx(10 * seconds, abs=0.01)
    assert 0 < rows["REA"]["seconds"] <= 1000


def test_ecnas_holds_every_cell_that_a_search_can_ask_for(tmp_path: Path, shared_data: Path) -> None:
    table = script("table1_nasbench101")._closed(shared_data, "ecnas_4v", tmp_path)
    rows = {table.index(choices) for choices in enumerate_all(table.space)}
    assert rows == set(range(91))


def test_the_metric_is_validation_where_it_is_as_late_as_test(shared_data: Path) -> None:
    untrained = script("untrained")
    with untrained.Tables(shared_data) as tables:
        words = {(name, dataset): untrained.final(tables[name], dataset)[1] for name, dataset in
                 [("nasbench201", "cifar10"), ("nasbench201", "cifar100"), ("nasbench_macro", "cifar10"),
                  ("ecnas_4v", "cifar10"), ("transnas_macro", "jigsaw")]}  # fmt: skip
        values, _ = untrained.final(tables["nasbench201"], "cifar10")
    assert list(words.values()) == ["validation", "test", "test", "validation", "validation"]
    assert values.max() == pytest.approx(91.61, abs=0.01)


def test_tau_counts_networks_without_a_score_as_the_worst() -> None:
    tau = script("untrained").tau
    assert tau([math.nan, 1, 2], [10, 20, 30]) == 1
    assert tau([math.nan, 1, 2], [30, 10, 20]) == pytest.approx(-1 / 3)
    assert tau([3, 1, 2], [math.nan, 10, 20]) == 1
    assert math.isnan(tau([1], [1]))


def test_numbers_keep_their_words() -> None:
    untrained = script("untrained")
    values = [1.5, -1234.56789, math.nan, 1e-9]
    np.testing.assert_allclose(untrained.numbers(untrained.as_text(values)), values, rtol=1e-8)


def test_boxes_and_logarithms_land_where_they_belong() -> None:
    pictures = script("pictures")
    axes = pictures.Axes.around((0, 0, 400, 300), [0.0, 3.0], [0.0, 10.0], log_x=True, low=0.0, high=10.0)
    assert [text for _, text in axes._marks(())] == ["1", "2", "5", "10", "20", "50", "100", "200", "500", "1,000"]
    box = ET.fromstring(f"<g>{axes.box(1.0, [2, 4, 6, 8, 10], '#000')}</g>")
    rectangle = next(part for part in box if part.tag == "rect")
    assert float(rectangle.get("y", "nan")) == pytest.approx(axes.y(8), abs=0.1)
    assert float(rectangle.get("height", "nan")) == pytest.approx(axes.y(4) - axes.y(8), abs=0.1)


def test_unknown_tables_are_refused(tmp_path: Path) -> None:
    from chronas.errors import UsageError

    with script("untrained").Tables(tmp_path) as tables, pytest.raises(UsageError, match="known: nasbench201"):
        tables["nosuch"]
    words = Namespace(shared=tmp_path)
    assert script("untrained").present("nasbench201, ecnas_4v", words.shared) == ["nasbench201"]
