"""Every verb does its job."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_support import TINY, Chronas
from PIL import Image

from chronas import api
from chronas.cli import run as conducting
from chronas.cli.listing import setting_docs
from chronas.data.load import FORMATS
from chronas.execution.interrupt import StopFlag
from chronas.reports.live import LivePanel
from chronas.spec import read_spec


def test_fit_shows_progress_and_closes_with_a_table(chronas: Chronas, tmp_path: Path) -> None:
    out = tmp_path / "a"
    ended = chronas("fit", "digits", "--budget", "2 epochs", "--out", out, *TINY, "--baseline", "random")
    assert ended.code == 0
    for word in (
        "search begins",
        "train found begins",
        "train random done",
        "test acc.",
        str(out / "report.html"),
    ):
        assert word in ended.out
    assert "\x1b" not in ended.out
    assert ended.err == ""
    result = json.loads((out / "result.json").read_text())
    assert [one["name"] for one in result["networks"]] == ["found", "random"]


def test_search_names_the_cost_and_the_next_command(chronas: Chronas, tmp_path: Path) -> None:
    ended = chronas("search", "digits", "--budget", "1 epochs", "--out", tmp_path / "s", *TINY)
    assert ended.code == 0
    assert "multiply-adds" in ended.out
    assert f"chronas train {tmp_path / 's'} digits --budget" in ended.out


def test_train_takes_a_run_and_a_file(chronas: Chronas, tiny_run: Path, tmp_path: Path) -> None:
    for source in (tiny_run, tiny_run / "best.json"):
        out = tmp_path / source.name
        ended = chronas("train", source, "digits", "--budget", "1 epochs", "--out", out)
        assert ended.code == 0
        spec = json.loads((out / "spec.json").read_text())
        assert spec["architecture"] == json.loads((tiny_run / "best.json").read_text())["architecture"]


def test_what_a_search_found_is_used_by_its_own_name_once_it_is_trained(
    chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, image = tmp_path / "a", tmp_path / "one.png"
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint8)).save(image)
    assert chronas("search", "digits", "--budget", "1 epochs", "--out", run, *TINY).code == 0
    assert f"chronas train {run} DATA" in chronas("predict", run, image).err
    asked = iter(range(1000))
    monkeypatch.setattr(StopFlag, "requested", property(lambda flag: next(asked) > 2))
    monkeypatch.setattr(StopFlag, "exit_code", property(lambda flag: 130))
    assert chronas("train", run, "digits", "--budget", "3 epochs").code == 130
    monkeypatch.undo()
    assert f"chronas resume {run / 'train'}" in chronas("predict", run, image).err
    resumed = chronas("resume", run)
    assert resumed.code == 0
    assert "train found done" in resumed.out
    assert chronas("predict", run, image).code == 0
    assert chronas("export", run, "--format", "safetensors").code == 0
    shown = chronas("show", run).out
    assert str(run / "train") in shown
    assert "test acc." in shown
    assert chronas("report", run).code == 0
    page = (run / "report.html").read_text()
    assert re.search(r"% test accuracy in 4(\.\d+)? epochs of the 4 epochs given", page)
    assert "has not been trained from scratch yet" not in page
    assert "pill finished" in page


def test_out_has_a_default(chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "digits-1").mkdir(parents=True)
    assert chronas("search", "digits", "--budget", "1 epochs", *TINY, "--quiet").code == 0
    assert (tmp_path / "runs" / "digits-2" / "result.json").exists()


def test_resume_goes_on_where_an_interrupt_stopped(
    chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fit", "digits", "--budget", "2 epochs", *TINY, "--quiet", "--out")
    assert chronas(*words, tmp_path / "whole").code == 0
    asked = iter(range(1000))
    monkeypatch.setattr(StopFlag, "requested", property(lambda flag: next(asked) > 9))
    monkeypatch.setattr(StopFlag, "exit_code", property(lambda flag: 130))
    stopped = chronas(*words, tmp_path / "cut")
    monkeypatch.undo()
    assert stopped.code == 130
    assert f"chronas resume {tmp_path / 'cut'}" in stopped.out
    resumed = chronas("resume", tmp_path / "cut")
    assert resumed.code == 0
    assert "search done" in resumed.out
    found = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "cut")]
    assert found[0]["search"]["choices"] == found[1]["search"]["choices"]
    assert found[0]["networks"][0]["test_loss"] == found[1]["networks"][0]["test_loss"]


def test_resume_of_a_finished_run_only_shows_it(chronas: Chronas, tiny_run: Path) -> None:
    before = (tiny_run / "journal.jsonl").read_bytes()
    ended = chronas("resume", tiny_run)
    assert ended.code == 0
    assert "test acc." in ended.out
    assert (tiny_run / "journal.jsonl").read_bytes() == before


def test_report_prints_its_path(chronas: Chronas, tiny_run: Path) -> None:
    (tiny_run / "report.html").unlink()
    ended = chronas("report", tiny_run)
    assert (ended.code, ended.out.strip()) == (0, str(tiny_run / "report.html"))
    assert (tiny_run / "report.html").exists()


def test_show_a_run_and_its_file(chronas: Chronas, tiny_run: Path) -> None:
    notation = json.loads((tiny_run / "best.json").read_text())["notation"]
    run = chronas("show", tiny_run)
    assert run.code == 0
    assert notation in run.out
    assert "1x8x8 and 10 classes" in run.out
    file = chronas("show", tiny_run / "best.json", "--input", "3x16x16", "--classes", "7")
    assert file.code == 0
    assert "3x16x16 and 7 classes" in file.out


def test_predict_as_table_and_json(chronas: Chronas, tiny_run: Path, tmp_path: Path) -> None:
    image = tmp_path / "one.png"
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint8)).save(image)
    table = chronas("predict", tiny_run, image)
    assert table.code == 0
    assert table.out.startswith(str(image))
    assert table.out.rstrip().endswith("%")
    rows = json.loads(chronas("predict", tiny_run, image, "--json").out)
    assert rows[0]["image"] == str(image)
    assert len(rows[0]["probabilities"]) == 10
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert rows[0]["probabilities"][rows[0]["label"]] == rows[0]["probability"]


def test_export_names_the_file(chronas: Chronas, tiny_run: Path, tmp_path: Path) -> None:
    ended = chronas("export", tiny_run, "--format", "safetensors", "--out", tmp_path / "model")
    assert (ended.code, ended.out.strip()) == (0, str(tmp_path / "model"))
    assert (tmp_path / "model" / "model.json").exists()


def test_demo_runs_its_numbers(chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"space": {"layers": 2, "width": 4, "m": 3}}
    monkeypatch.setattr(api, "DEMO_BUDGET", "2 epochs")
    monkeypatch.setattr(api, "DEMO", dataclasses.replace(api.DEMO, settings=small, rival=False))
    ended = chronas("demo", "--out", tmp_path / "d", "--seed", "3")
    assert ended.code == 0
    spec = json.loads((tmp_path / "d" / "spec.json").read_text())
    assert spec["seed"] == 3
    assert [one["name"] for one in json.loads((tmp_path / "d" / "result.json").read_text())["networks"]] == [
        "found", "random", "plain"]  # fmt: skip


def test_tensorboard_writes_events(chronas: Chronas, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = (
        "search",
        "digits",
        "--budget",
        "1 epochs",
        "--out",
        tmp_path / "s",
        *TINY,
        "--quiet",
        "--tensorboard",
    )
    assert chronas(*words).code == 0
    events = EventAccumulator(str(tmp_path / "s" / "events"))
    events.Reload()
    steps = [event.step for event in events.Scalars("search/train_loss")]
    assert steps == sorted(steps)
    assert 900 <= steps[-1] <= 1000


def test_the_test_share_is_kept_in_the_spec(chronas: Chronas, tmp_path: Path) -> None:
    out, images = tmp_path / "s", tmp_path / "images.npz"
    labels = np.arange(200) % 2
    np.savez(images, x_train=np.full((200, 8, 8), 90, dtype=np.uint8) + 60 * labels[:, None, None].astype(np.uint8),
             y_train=labels)  # fmt: skip
    words = ("search", images, "--budget", "1 epochs", "--out", out, *TINY, "--quiet")
    assert chronas(*words, "--test-share", "0.2").code == 0
    assert json.loads((out / "result.json").read_text())["data"]["test"] == 40
    spec = json.loads((out / "spec.json").read_text())
    assert spec["data"].pop("test_share") == 0.2
    assert read_spec(spec, out / "spec.json").data.held_for_test == 0.1, "runs of before keep what they had"


def test_list_everything(chronas: Chronas) -> None:
    everything = chronas("list")
    assert everything.code == 0
    for name in ("superkernel", "nasib", "fast", "digits"):
        assert name in everything.out
    assert "paper" in chronas("list", "presets").out
    one = chronas("list", "methods", "nasib").out
    assert "method.k " in one
    assert "recipe.lr " in chronas("list", "recipes", "fast").out
    assert "space.layers " in chronas("list", "spaces", "superkernel").out


@dataclass(frozen=True)
class Settings:
    """Settings of something.

    a, b     two rates
             and more of them; c: a word; not a name: nothing
    d        yes; no
    """

    a: int = 1
    b: int = 2
    c: int = 3
    d: int = 4
    e: int = 5


def test_words_for_settings_come_from_their_docstring() -> None:
    rates = "two rates and more of them"
    assert setting_docs(Settings) == {
        "a": rates,
        "b": rates,
        "c": "a word; not a name: nothing",
        "d": "yes; no",
    }


def test_list_data_tells_of_every_format(chronas: Chronas) -> None:
    """The listing must not import the readers, so it repeats what they are."""
    shown = chronas("list", "data").out
    assert shown.strip().count("\n") >= len(FORMATS)
    for word in (".npz", "Parquet", "CIFAR", "IDX", "class folders"):
        assert word in shown
        assert any(word in form.looks_for for form in FORMATS)


def test_config_stands_in_and_the_command_line_wins(
    chronas: Chronas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "data: digits\nbudget: 1 epochs\nseed: 5\nbaseline: [random, plain]\nval_share: 0.2\nrival: true\n"
        "settings: {space: {layers: 2, width: 4, m: 9}, method: {k: 0.2}}\n"
    )
    seen: dict[str, Any] = {}

    def fit(data: str, *, budget: object, out: Path, options: api.Options) -> api.RunResult:
        seen.update(data=data, budget=str(budget), options=options)
        return api.RunResult(out, {"networks": [], "data": {"source": "digits"}}, False, 0)

    monkeypatch.setattr(api, "fit", fit)
    words = (
        "--config",
        file,
        "--out",
        tmp_path / "c",
        "--set",
        "space.m=3",
        "--baseline",
        "plain",
        "--quiet",
    )
    assert chronas("fit", *words).code == 0
    options = seen["options"]
    assert isinstance(options, api.Options)
    assert (seen["data"], seen["budget"], options.seed, options.val_share) == ("digits", "1 epochs", 5, 0.2)
    assert options.settings == {"space": {"layers": 2, "width": 4, "m": "3"}, "method": {"k": 0.2}}
    assert (options.baselines, options.rival) == (("plain",), True)


def test_the_panel_looks_at_the_flag_that_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conducting, "draws_panels", lambda: True)
    seen: list[bool] = []

    class Panel(LivePanel):
        def __exit__(self, *fault: Any) -> None:
            seen.append(self.stopping())
            super().__exit__(*fault)

    def call(listeners: object, stop: StopFlag) -> api.RunResult:
        stop.signal = 2
        return api.RunResult(tmp_path, {"networks": [], "data": {"source": "digits"}}, False, 0)

    monkeypatch.setattr(conducting, "LivePanel", Panel)
    assert conducting.conduct(call, tmp_path, argparse.Namespace(), "a run") == 0
    assert seen == [True]
