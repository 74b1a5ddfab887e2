"""The scripts that reproduce NASWOT's table run through at tiny sizes, and the scores go on where they were."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chronas.benchmarks import load
from chronas.execution.scores import read_scores
from chronas.seeding import stream

pytest.importorskip("pyarrow")
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "reproduce"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts' folders on the path, and torch's threads put back afterwards."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), str(FOLDER.parent), *sys.path])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def script(name: str) -> Any:
    return importlib.import_module(name)


def tiny_images(folder: Path) -> str:
    images = stream(0, "tests", "scores").integers(256, size=(200, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "images.npz", x_train=images, y_train=np.arange(200) % 4)
    return str(folder / "images.npz")


def test_scores_go_on_where_they_were(tmp_path: Path) -> None:
    words = ["--small", "--threads", "1", "--out", str(tmp_path), "--data", tiny_images(tmp_path)]
    path = tmp_path / "nasbench201_naswot.parquet"
    assert script("naswot_scores").main(words) == 0
    table = load("nasbench201")
    first = read_scores(path, table)["naswot"].values
    assert first.shape == (15625, 2)
    known = np.isfinite(first)
    assert 0 < known.sum() < 15625
    assert script("naswot_scores").main(words) == 0
    second = read_scores(path, table)["naswot"].values
    assert np.isfinite(second).sum() > known.sum()
    with pytest.raises(SystemExit, match="was made with"):
        script("naswot_scores").main([*words, "--seeds", "5,6"])


def test_exactly_equal_networks_share_a_score(tmp_path: Path) -> None:
    words = ["--small", "--threads", "1", "--out", str(tmp_path), "--data", tiny_images(tmp_path)]
    script("naswot_scores").main(words)
    import pyarrow.parquet as parquet

    table = load("nasbench201")
    column = parquet.read_table(tmp_path / "nasbench201_naswot.parquet").column("seed_0").to_numpy()
    by_class: dict[Any, set[float]] = {}
    for row in np.flatnonzero(np.isfinite(column)).tolist():
        by_class.setdefault(table.space.exact(table.choices(row)), set()).add(float(column[row]))
    assert by_class
    assert all(len(scores) == 1 for scores in by_class.values())


def test_the_table_without_and_with_scores(tmp_path: Path) -> None:
    absent = tmp_path / "nasbench201_naswot.parquet"
    out = tmp_path / "results"
    words = ["--small", "--out", str(out), "--scores", str(absent), "--budget", "3000s"]
    assert script("naswot_table2").main(words) == 0
    text = (out / "naswot_table2.md").read_text(encoding="utf-8")
    assert "are left out: nasbench201_naswot.parquet is not there" in text
    assert "REA, ours" in text
    assert "AREA, ours" not in text
    assert "NASWOT N=100, ours" not in text
    import pyarrow
    import pyarrow.parquet as parquet

    columns = {"index": np.arange(15625), "seed_0": np.arange(15625.0), "seconds": np.full(15625, 0.3)}
    parquet.write_table(pyarrow.table(columns), absent)
    assert script("naswot_table2").main(words) == 0
    text = (out / "naswot_table2.md").read_text(encoding="utf-8")
    assert "left out" not in text
    assert "AREA, ours" in text
    content = json.loads((out / "naswot_table2.json").read_text(encoding="utf-8"))
    ten = content["pieces"]["NASWOT N=10"]
    assert ten["evaluations"] == pytest.approx(10, abs=0.5)
    assert ten["seconds"] == pytest.approx(3, abs=0.2)
    assert set(ten["metrics"]) == {"cifar10 val", "cifar10 test", "cifar100 test", "imagenet16 test"}
    gaps = content["summary"]["difference in standard deviations"]
    assert set(gaps) == set(script("naswot_table2").PAPER)
    assert all(math.isfinite(value) for row in gaps.values() for value in row.values())


def test_other_scores_are_measured_again_and_unfinished_ones_not_used(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet as parquet

    file, out = tmp_path / "nasbench201_naswot.parquet", tmp_path / "results"
    words = ["--small", "--out", str(out), "--scores", str(file), "--budget", "3000s"]

    def best_of_ten(scores: Any, finished: list[int]) -> Any:
        columns = {"index": np.arange(15625), "seed_0": scores, "seed_1": np.full(15625, np.nan),
                   "seconds": np.full(15625, 0.3)}  # fmt: skip
        notes = {"chronas": json.dumps({"seeds": [0, 1], "finished": finished})}
        parquet.write_table(pyarrow.table(columns).replace_schema_metadata(notes), file)
        assert script("naswot_table2").main(words) == 0
        return json.loads((out / "naswot_table2.json").read_text(encoding="utf-8"))["pieces"].get("NASWOT N=10")

    assert best_of_ten(np.arange(15625.0), []) is None
    first = best_of_ten(np.arange(15625.0), [0])
    assert best_of_ten(np.arange(15625.0), [0]) == first
    second = best_of_ten(-np.arange(15625.0), [0])
    assert second["metrics"] != first["metrics"]
