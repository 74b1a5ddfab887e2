"""Damaged, lost, foreign and locked files: recovered from, or named; never a bare traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fault_runs import assert_same, data, home, log_of, notes, order, processes, resumed, run, unbroken, wait_for

from chronas import api
from chronas.errors import ChronasError, DataError, EnvironmentFault, RunError, UsageError
from chronas.runs.snapshots import checksum_of


@pytest.fixture(scope="module")
def stump() -> Path:
    """A run that was killed in the middle of its search, with several snapshots."""
    out = home() / "stump"
    assert run(order("search", "rsps", out, snapshots_every=3, die_at_record=52)) < 0
    return out


@pytest.fixture
def killed(stump: Path, tmp_path: Path) -> Path:
    out = tmp_path / "run"
    shutil.copytree(stump, out)
    return out


def assert_recovers(out: Path) -> None:
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("search", "rsps"))


def refusal(out: Path, *words: str, kind: type[ChronasError] = RunError) -> None:
    """Resuming `out` raises `kind` with all `words`."""
    with pytest.raises(kind) as caught:
        api.resume(out)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("cut", [1, 2, 7, 40, 90])
def test_a_torn_last_line_of_the_journal(killed: Path, cut: int) -> None:
    journal = killed / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])
    assert_recovers(killed)


def test_a_journal_damaged_in_the_middle(killed: Path) -> None:
    journal = killed / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], lines[5][:-9] + b"\n", *lines[6:]]))
    refusal(killed, "Line 6", "journal.jsonl")


@pytest.mark.parametrize("kind", ["json", "safetensors"])
@pytest.mark.parametrize("left", [0, 100])
def test_a_truncated_newest_snapshot(killed: Path, kind: str, left: int) -> None:
    newest, before = sorted((killed / "snapshots").glob(f"*.{kind}"))[::-1][:2]
    newest.write_bytes(newest.read_bytes()[:left])
    assert_recovers(killed)
    assert any(newest.stem in note and "damaged" in note for note in notes(killed))
    assert before.stem != newest.stem


def test_all_snapshots_damaged(killed: Path) -> None:
    for path in (killed / "snapshots").glob("*.safetensors"):
        path.write_bytes(b"")
    refusal(killed, "No snapshot of the stage 'search'", "--out")


def test_a_deleted_snapshot_folder(killed: Path) -> None:
    shutil.rmtree(killed / "snapshots")
    assert_recovers(killed)
    assert any("starts again" in note for note in notes(killed))


def test_a_deleted_result_is_worked_out_again(tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(unbroken("fit", "rsps"), out)
    (out / "result.json").unlink()
    assert resumed(out) == 0, log_of(out)
    assert_same(out, unbroken("fit", "rsps"))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "status": "interrupted", "budget": 3}']
)
def test_a_damaged_result(killed: Path, text: str) -> None:
    (killed / "result.json").write_text(text)
    refusal(killed, "result.json", "Restore it from a copy")


@pytest.mark.parametrize("change", [
    None, {"verb": "dance"}, {"verb": 3}, {"budget": {"amount": "x", "unit": "epochs"}}, {"budget": 7}, {"seed": "one"},
    {"budget": {"amount": -1.0, "unit": "epochs"}}, {"budget": {"amount": 1.0, "unit": "bananas"}}, {"settings": []},
    {"settings": {"method": 3}}, {"data": "digits"}, {"data": {"source": 5}}, {"search_share": "half"}, {"surprise": 1},
    {"space": "nowhere"}, {"method": "magic"}, {"recipe": "cake"}, {"device": "tpu"}, {"baselines": 4},
])  # fmt: skip
def test_a_damaged_spec(killed: Path, change: dict[str, Any] | None) -> None:
    path = killed / "spec.json"
    if change is None:
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    refusal(killed, kind=ChronasError)


def test_no_run_there(tmp_path: Path) -> None:
    refusal(tmp_path / "nothing", "is no run folder")


@pytest.mark.parametrize(("number", "word"), [(0, "format 0"), (2, "upgrade"), (None, "no format number")])
def test_another_format_of_the_spec(killed: Path, number: int | None, word: str) -> None:
    path = killed / "spec.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": number}))
    refusal(killed, "spec.json", word)


@pytest.mark.parametrize(("number", "word"), [(0, "format 0"), (2, "upgrade")])
def test_another_format_of_the_journal(killed: Path, number: int, word: str) -> None:
    path = killed / "journal.jsonl"
    path.write_text(path.read_text().replace('"format": 1', f'"format": {number}', 1))
    refusal(killed, "journal.jsonl", word)


@pytest.mark.parametrize(("number", "word"), [(0, "format 0"), (2, "upgrade")])
def test_another_format_of_a_snapshot(killed: Path, number: int, word: str) -> None:
    path = sorted((killed / "snapshots").glob("*.json"))[-1]
    body = {**json.loads(path.read_text()), "format": number}
    del body["checksum"]
    path.write_text(json.dumps({**body, "checksum": checksum_of(body)}))
    refusal(killed, path.name, word)


def without(name: str, tree: Any) -> Any:
    """`tree` without the keys called `name`."""
    if isinstance(tree, dict):
        return {key: without(name, value) for key, value in tree.items() if key != name}
    return [without(name, value) for value in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("name", ["lr_scale", "before"])
def test_a_snapshot_that_lacks_what_this_version_keeps(killed: Path, name: str) -> None:
    """Of the trainer, or of the executor."""
    for path in (killed / "snapshots").glob("*.json"):
        body = json.loads(path.read_text())
        del body["checksum"]
        changed = without(name, body)
        assert changed != body
        path.write_text(json.dumps({**changed, "checksum": checksum_of(changed)}))
    newest = sorted((killed / "snapshots").glob("*.json"))[-1].stem
    refusal(killed, newest, f"KeyError: '{name}'", "version that began the run", "--out")


def test_other_data_than_at_the_start(tmp_path: Path) -> None:
    out, own = tmp_path / "run", tmp_path / "own.npz"
    shutil.copy(data(), own)
    assert run({**order("search", "rsps", out, snapshots_every=3, die_at_record=30), "data": str(own)}) < 0
    shutil.copy(data(1), own)
    refusal(out, "is not the data", kind=DataError)
    own.unlink()
    refusal(out, "own.npz", kind=DataError)
    shutil.copy(data(), own)
    assert resumed(out) == 0, log_of(out)


def test_arrays_must_be_given_again(tmp_path: Path) -> None:
    with np.load(data()) as archive:
        arrays = (archive["x_train"], archive["y_train"])
    options = api.Options(
        method="random", settings={"space": {"layers": 2, "width": 4, "m": 3}, "method": {"candidates": 2}}
    )
    out = tmp_path / "run"
    api.search(arrays, budget="1 epochs", out=out, options=options)
    (out / "result.json").unlink()
    refusal(out, "pass the same as `data`", kind=UsageError)
    assert api.resume(out, data=arrays).exit_code == 0


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    pid = processes().start(order("search", "rsps", out, slow=0.03))
    try:
        wait_for(out / "best.json")
        with pytest.raises(RunError, match=f"pid {pid}"):
            api.resume(out)
        with pytest.raises(UsageError, match="chronas resume"):
            api.search(data(), budget="1 epochs", out=out)
    finally:
        code = processes().finish()
    assert code == 0, log_of(out)
    assert_same(out, unbroken("search", "rsps"))


def test_a_folder_without_permission(killed: Path) -> None:
    assert resumed(killed, read_only=True) == EnvironmentFault.exit_code
    assert "EnvironmentFault: No permission for" in log_of(killed)
    assert_recovers(killed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"settings": {"method": {"candidats": 3}}}, "candidates"),
        ({"settings": {"recipe": {"lrr": 0.1}}}, "lr"),
        ({"settings": {"space": {"layer": 3}}}, "layers"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_wrong_words_leave_no_run_behind(tmp_path: Path, words: dict[str, Any], message: str) -> None:
    out = tmp_path / "run"
    with pytest.raises(UsageError, match=message):
        api.search(data(), budget="1 epochs", out=out, options=api.Options(method="random", **words))
    with pytest.raises(UsageError, match="too short"):
        api.search(data(), budget="1s", out=out)
    assert not out.exists()


def test_what_a_killed_creation_left_is_no_obstacle(tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "snapshots").mkdir(parents=True)
    (out / "journal.jsonl").touch()
    assert run(order("search", "random", out)) == 0, log_of(out)
    file = tmp_path / "file"
    file.touch()
    for taken in (file, data().parent):
        with pytest.raises(UsageError):
            api.search(data(), budget="1 epochs", out=taken)
