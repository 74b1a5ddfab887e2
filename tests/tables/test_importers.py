"""The Parquet tables and the NDS files, and the command that converts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chronas.benchmarks import BENCHMARKS, import_table, load
from chronas.benchmarks.testing_door import test_accuracy as accuracy_in_test
from chronas.benchmarks.testing_door import test_optimum as optimum_in_test
from chronas.cli import main
from chronas.errors import EnvironmentFault, TableError, UnknownNameError
from chronas.spaces import SPACES


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_every_importer_exists(name: str) -> None:
    assert callable(BENCHMARKS.load(name))
    assert BENCHMARKS.entry(name).summary
    assert BENCHMARKS.entry(name).paper


def test_ec_nas(shared_data: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    file = shared_data / "nasbench101" / "ecnas_4v.parquet"
    table = import_table("ecnas_4v", file, tmp_path / "e.table")
    assert (len(table), table.epochs) == (91, (4, 12, 36, 108))
    lines = [line for line in pq.read_table(file).to_pylist() if line["budget_epochs"] == 12][:3]
    choices = table.space.parse(f"{lines[0]['adjacency']}:{lines[0]['operations']}")
    row = table.validation("cifar10", choices, 12)
    assert row.val_accuracy == pytest.approx(np.mean([line["final_val_acc"] for line in lines]), rel=1e-6)
    assert row.seconds == pytest.approx(np.mean([line["final_train_s"] for line in lines]), rel=1e-6)
    test = accuracy_in_test(table, "cifar10", choices, 12)
    assert test == pytest.approx(np.mean([line["final_test_acc"] for line in lines]), rel=1e-6)
    ranks = [table.validation_column("cifar10", epochs).argsort().argsort() for epochs in table.epochs]
    correlations = [float(np.corrcoef(rank, ranks[-1])[0, 1]) for rank in ranks[:-1]]
    assert correlations == sorted(correlations), "more training ranks better"


def test_ec_nas_five_nodes_and_the_sample(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    folder = shared_data / "nasbench101"
    assert len(import_table("ecnas_5v", folder / "ecnas_5v_4epochs.parquet", tmp_path / "e.table")) == 2_532
    sample = import_table("nasbench101_sample", folder / "nasbench101_500.parquet", tmp_path / "s.table")
    assert (len(sample), int(sample.columns["graphs"].sum()), sample.epochs) == (292, 500, (108,))
    assert sample.validation("cifar10", sample.choices(0), 108).seconds is None


def test_nas_bench_macro_has_test_accuracy_only(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    table = import_table("nasbench_macro", shared_data / "nasbench_macro", tmp_path / "m.table")
    best = optimum_in_test(table, "cifar10")
    assert (len(table), table.notation(best.row), round(best.accuracy, 2)) == (6_561, "22212202", 93.13)
    with pytest.raises(TableError, match="no validation metric on cifar10 at 50 epochs; it has it at no epochs"):
        table.validation("cifar10", table.choices(0), 50)


@pytest.mark.parametrize(("part", "rows", "best"), [("micro", 4_096, 54.94), ("macro", 3_256, 57.41)])
def test_transnas(shared_data: Path, tmp_path: Path, part: str, rows: int, best: float) -> None:
    """Best values of class_scene as in the benchmark's paper."""
    pytest.importorskip("pyarrow")
    if f"transnas_{part}" not in SPACES:
        pytest.skip("the space is not registered")
    table = import_table(f"transnas_{part}", shared_data / "transnasbench101", tmp_path / "t.table")
    assert (len(table), round(table.optimum("class_scene").accuracy, 2)) == (rows, best)
    assert all(table.index(table.choices(row)) == row for row in range(0, rows, 7))
    with pytest.raises(TableError, match="no test metric"):
        optimum_in_test(table, "jigsaw")


def test_wrong_and_damaged_parquet_files(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "t.table"
    file = shared_data / "nasbench_macro" / "nasbench_macro.parquet"
    with pytest.raises(TableError, match=r"nasbench_macro\.parquet is another table: it lacks the column"):
        import_table("nasbench201", file, out)
    (tmp_path / "cut.parquet").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(TableError, match=r"cut\.parquet is no intact Parquet file"):
        import_table("nasbench_macro", tmp_path / "cut.parquet", out)
    with pytest.raises(TableError, match="There is no file"):
        import_table("nasbench201", shared_data / "nasbench_macro", out)
    assert not out.exists()


def test_fewer_rows_than_published(shared_data: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    cut = tmp_path / "cut.parquet"
    pq.write_table(pq.read_table(shared_data / "nasbench_macro" / "nasbench_macro.parquet").slice(0, 10), cut)
    with pytest.raises(TableError, match="has 10 of 6561 architectures"):
        import_table("nasbench_macro", cut, tmp_path / "m.table")
    assert len(import_table("nasbench_macro", cut, tmp_path / "m.table", partial=True)) == 10


def test_absent_pyarrow_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nasbench201.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(EnvironmentFault, match=r"pip install -e '\.\[parquet\]'"):
        import_table("nasbench201", tmp_path / "nasbench201.parquet", tmp_path / "t.table")


def cell(op: str) -> list[list[Any]]:
    """A cell of 4 nodes that read the two inputs."""
    return [[op, state] for _ in range(4) for state in (0, 1)]


def nds_record(op: str, width: int, error: float) -> dict[str, Any]:
    """A network of DARTS.json: what is read of it and something of the rest."""
    concat = [2, 3, 4, 5]
    genotype = {"normal": cell(op), "normal_concat": concat, "reduce": cell("max_pool_3x3"), "reduce_concat": concat}
    return {
        "job_id": 1, "params": 123_456, "flops": 7.5e7, "min_test_top1": error - 1, "iter_time": 0.1,
        "net": {"genotype": genotype, "width": width, "depth": 8, "aux": False, "drop_prob": 0.0},
        "test_ep_top1": [80.0, 50.0, error], "train_ep_top1": [80.0, 50.0, 1.0], "optim": {"base_lr": 0.1},
    }  # fmt: skip


NDS = [nds_record("sep_conv_3x3", 16, 6.5), nds_record("skip_connect", 32, 9.0), nds_record("skip_connect", 32, 10.0)]


@pytest.mark.parametrize("content", [NDS, {"top": NDS[:1], "mid": NDS[1:]}])
def test_nds(tmp_path: Path, content: Any) -> None:
    (tmp_path / "DARTS.json").write_text(json.dumps(content))
    table = import_table("nds_darts", tmp_path / "DARTS.json", tmp_path / "d.table")
    assert (len(table), table.columns["networks"].tolist()) == (2, [1, 2])
    assert table.space.settings.widths == (16, 32)
    assert [accuracy_in_test(table, "cifar10", table.choices(row)) for row in range(2)] == [93.5, 90.5]
    assert table.notation(1).startswith("width=32/depth=8/normal=skip_connect~0+skip_connect~1|")
    assert load(tmp_path / "d.table").columns["params"].tolist() == [123_456] * 2


def test_wrong_nds_files(tmp_path: Path) -> None:
    file, out = tmp_path / "x.json", tmp_path / "d.table"
    whole = json.dumps(NDS)
    for text, words in (
        (whole[:-20], "is truncated or no JSON"), ("{}", "is no file of NDS"), ("[]", "is no file of NDS"),
        (json.dumps([{"net": {"ds": [1, 2]}, "test_ep_top1": [1.0]}]), "a network lacks 'genotype'"),
    ):  # fmt: skip
        file.write_text(text)
        with pytest.raises(TableError, match=rf"x\.json.*{words}"):
            import_table("nds_darts", file, out)
    file.write_text(whole)
    with pytest.raises(TableError, match="holds a network that is not one of 'nds_enas'"):
        import_table("nds_enas", file, out)


def command(kind: str, source: Path, out: Path) -> object:
    """The exit code of chronas import-table."""
    with pytest.raises(SystemExit) as ended:
        main(["import-table", kind, str(source), "--out", str(out)])
    return ended.value.code


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "DARTS.json").write_text(json.dumps(NDS))
    out = tmp_path / "d.table"
    assert command("nds_darts", tmp_path / "DARTS.json", out) == 0
    text = capsys.readouterr().out
    assert "rows      2 architectures of nds_darts" in text
    assert str(out) in text
    assert len(load(out)) == 2


def test_command_with_wrong_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("nds_dart", Path("x"), Path("y")) == 2
    assert "Did you mean 'nds_darts'" in capsys.readouterr().err
    assert command("nds_darts", tmp_path / "absent.json", tmp_path / "y") == 1
    assert "absent.json" in capsys.readouterr().err
    (tmp_path / "DARTS.json").write_text(json.dumps(NDS))
    assert command("nds_darts", tmp_path / "DARTS.json", tmp_path) == 1
    assert "give a file in a folder that exists" in capsys.readouterr().err
    with pytest.raises(UnknownNameError):
        import_table("nothing", tmp_path / "DARTS.json", tmp_path / "t.table")
