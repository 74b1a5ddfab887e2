"""NATS-Bench's simple folders, made by the tests in the format of the official ones."""

from __future__ import annotations

import bz2
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_files import ALL_CELLS, ALL_SIZES, NAS_SETS, nats_folder, record, small_nats_record, trial, write_pickle

from chronas.benchmarks import import_table
from chronas.benchmarks.testing_door import test_accuracy as accuracy_in_test
from chronas.errors import TableError

TOPOLOGY, SIZE = "NATS-tss-v1_0-3ffb9-simple", "NATS-sss-v1_0-50262-simple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records = {index: small_nats_record(index, ALL_CELLS[index]) for index in (0, 7)}
    return nats_folder(tmp_path / TOPOLOGY, ALL_CELLS, records)


def test_means_over_seeds_and_both_doors(folder: Path, tmp_path: Path) -> None:
    table = import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)
    choices = table.space.parse(ALL_CELLS[7])
    assert (len(table), table.epochs, table.index(choices)) == (2, (12,), 1)
    row = table.validation("cifar10", choices, 12)
    assert row.val_accuracy == (57.0 + 67.0) / 2
    assert row.seconds == 12 * 7.0 + 2.0
    assert table.validation("cifar100", choices, 12).val_accuracy == 57.0
    assert accuracy_in_test(table, "cifar10", choices, 12) == 57.0
    assert accuracy_in_test(table, "imagenet16", choices, 12) == 58.0
    assert table.columns["cifar10_seeds_12"].tolist() == [2, 2]
    assert (table.columns["index"].tolist(), table.columns["params"].tolist()) == ([0, 7], [129_306] * 2)


def test_missing_records_need_partial(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"has 2 of 15625 architectures.*Copy it again.*--partial"):
        import_table("natsbench_tss", folder, tmp_path / "t.table")
    assert not (tmp_path / "t.table").exists()


def test_damaged_records(folder: Path, tmp_path: Path) -> None:
    file = folder / "000007.pickle.pbz2"
    whole = file.read_bytes()
    for content in (whole[:200], b"", b"no bz2 at all", bz2.compress(b"no pickle"), bz2.compress(pickle.dumps([1]))):
        file.write_bytes(content)
        with pytest.raises(TableError, match=r"000007\.pickle\.pbz2 is (truncated or )?no record of NATS-Bench"):
            import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must never run",)


@pytest.mark.parametrize("content", [{"12": _Evil()}, {"12": Path("x")}, {"12": np.zeros(3)}])
def test_pickles_that_ask_for_more_are_refused(
    folder: Path, tmp_path: Path, content: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pickle(folder / "000007.pickle.pbz2", content)
    with pytest.raises(TableError, match="has no place in it"):
        import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)
    assert capsys.readouterr().out == ""


def test_old_numpy_numbers_are_admitted(folder: Path, tmp_path: Path) -> None:
    """The official files were written by NumPy 1, whose module had another name."""
    content = small_nats_record(7, ALL_CELLS[7])
    raw = pickle.dumps(content, protocol=4)
    old = raw.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    frame = raw.index(b"\x95") + 1
    assert old != raw
    length = int.from_bytes(old[frame : frame + 8], "little") - (len(raw) - len(old))
    old = old[:frame] + length.to_bytes(8, "little") + old[frame + 8 :]
    (folder / "000007.pickle.pbz2").write_bytes(bz2.compress(old))
    table = import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)
    assert table.columns["params"][1] == 129_306


def test_wrong_records(folder: Path, tmp_path: Path) -> None:
    write_pickle(folder / "000007.pickle.pbz2", small_nats_record(7, ALL_CELLS[8]))
    with pytest.raises(TableError, match=r"000007\.pickle\.pbz2 is of .* but should be of"):
        import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)
    strange: list[dict[str, Any]] = [{"12": {"arch_str": ALL_CELLS[7]}}, {"twelve": {}}, {"12": None}]
    for content in strange:
        write_pickle(folder / "000007.pickle.pbz2", content)
        with pytest.raises(TableError, match=r"000007\.pickle\.pbz2 is no record of NATS-Bench v1_0"):
            import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)


def test_wrong_folders(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.table"
    with pytest.raises(TableError, match="Use the kind natsbench_tss"):
        import_table("natsbench_sss", folder, out)
    renamed = folder.rename(tmp_path / "renamed")
    with pytest.raises(TableError, match=r"it is the topology space .*use the kind natsbench_tss"):
        import_table("natsbench_sss", renamed, out)
    newer = renamed.rename(tmp_path / "NATS-tss-v2_0-abcde-simple")
    with pytest.raises(TableError, match="is version v2_0 of NATS-Bench"):
        import_table("natsbench_tss", newer, out)
    (newer / "meta.pickle.pbz2").unlink()
    kept = newer.rename(tmp_path / TOPOLOGY)
    with pytest.raises(TableError, match=r"lacks meta\.pickle\.pbz2"):
        import_table("natsbench_tss", kept, out)
    single = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    single.write_bytes(b"BZh9")
    with pytest.raises(TableError, match=r"is no folder\. Give the unpacked folder NATS-tss-v1_0"):
        import_table("natsbench_tss", single, out)
    with pytest.raises(TableError, match=r"There is no .*absent"):
        import_table("natsbench_tss", tmp_path / "absent", out)


def real_folder(shared: Path, folder: Path, key: str, architectures: list[str]) -> tuple[Path, list[dict[str, Any]]]:
    """The three public records of a space, written as the official folder holds them."""
    facts = json.loads((shared / "nasbench201" / "training_time_samples.json").read_text())[key]
    records = {}
    for item in facts:
        assert architectures[item["index"]] == item["arch"]
        budgets: dict[str, dict[tuple[str, int], dict[str, Any]]] = OrderedDict()
        for dataset in NAS_SETS:
            about = item["datasets"][dataset]
            for budget, values in about["budgets"].items():
                for seed in values["seeds"]:
                    final = {part: values["final"][part][str(seed)] for part in NAS_SETS[dataset]}
                    made = trial(item["arch"], dataset, values["epochs"], seed, final, values["train_s_per_epoch"])
                    made["params"], made["flop"] = about["params_m"], about["flops_m"]
                    made["eval_times"] = {f"{part}@{epoch}": values["eval_s"][part] for part in final
                                          for epoch in range(values["epochs"])}  # fmt: skip
                    budgets.setdefault(budget, {})[dataset, seed] = made
        records[item["index"]] = record(item["index"], item["arch"], budgets)
    return nats_folder(folder, architectures, records), facts


def test_three_real_topology_records(shared_data: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    known = parquet.read_table(shared_data / "nasbench201" / "nasbench201.parquet").to_pydict()
    folder, facts = real_folder(shared_data, tmp_path / TOPOLOGY, "topology_records", known["arch"])
    table = import_table("natsbench_tss", folder, tmp_path / "t.table", partial=True)
    assert table.epochs == (12, 200)
    prices = [table.validation("cifar10", table.choices(row), 12).seconds for row in range(3)]
    assert prices == [pytest.approx(cost, abs=0.01) for cost in (89.202, 153.696, 60.899)]
    for row, item in enumerate(facts):
        at = item["index"]
        for dataset, epochs in (("cifar10", 12), ("cifar10", 200), ("cifar100", 12), ("imagenet16", 12)):
            found = table.validation(dataset, table.choices(row), epochs).val_accuracy
            assert found == pytest.approx(known[f"{dataset}_val_{epochs}"][at], abs=0.01)
        for dataset in table.datasets:
            found = accuracy_in_test(table, dataset, table.choices(row), 200)
            assert found == pytest.approx(known[f"{dataset}_test_200"][at], abs=0.01)
        assert table.columns["params"][row] == round(known["params_m"][at] * 1e6)
        assert table.columns["flops"][row] == round(known["flops_m"][at] * 1e6)


def test_three_real_size_records(shared_data: Path, tmp_path: Path) -> None:
    """Against the last epoch of the published curves."""
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, _ = real_folder(shared_data, tmp_path / SIZE, "size_records", ALL_SIZES)
    table = import_table("natsbench_sss", folder, tmp_path / "s.table", partial=True)
    assert table.epochs == (1, 12, 90)
    curves = parquet.read_table(shared_data / "nasbench201" / "learning_curves_sample.parquet").to_pylist()
    last = [line for line in curves if line["space"] == "sss" and line["epoch"] == line["budget_epochs"]]
    names = (("cifar10", "cifar10-valid", "x_valid_acc"), ("cifar100", "cifar100", "x_valid_acc"),
             ("imagenet16", "ImageNet16-120", "x_valid_acc"))  # fmt: skip
    for row in range(3):
        arch = table.notation(row)
        for dataset, stored, column in names:
            for epochs in table.epochs:
                wanted = (arch, stored, epochs)
                known = [line[column] for line in last if (line["arch"], line["dataset"], line["epoch"]) == wanted]
                found = table.validation(dataset, table.choices(row), epochs).val_accuracy
                assert found == pytest.approx(np.mean(known), abs=0.01)
