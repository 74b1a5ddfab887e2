"""What stands in the report, for whole and for partial runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sample_run import BIG, Sample, make_run

from chronas.reports.collect import collect
from chronas.reports.html import write_report
from chronas.reports.tables import key_figures

VOID = {"meta", "link", "br", "img", "hr", "input"}
SECTIONS = ["result", "curves", "search", "layers", "network", "budget", "errors", "notes", "settings", "use"]


class Page(HTMLParser):
    """Sections by id with their text, all tags with attributes; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.sections: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._section = ""
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self._section = dict(attrs).get("id") or ""
            self.sections[self._section] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data
            if self._section:
                self.sections[self._section] += data

    def classes(self, name: str) -> int:
        return sum(name in (attrs.get("class") or "").split() for _, attrs in self.tags)


def page(run: Path) -> Page:
    path = write_report(run)
    assert path == run / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def change(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **content}))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return make_run(tmp_path / "small")


def test_all_sections_stand_in_order(small: Path) -> None:
    assert list(page(small).sections) == SECTIONS


def test_headline_names_result_budget_and_baselines(small: Path) -> None:
    assert collect(small).headline == (
        "Found a network with 98.1 % test accuracy in 1m 54s of the 2m 00s given; a random network "
        "of the same space, trained alike, has 97.2 %, the plain one (3×3 in every layer) 97.8 %."
    )


def test_a_lost_comparison_is_said(tmp_path: Path) -> None:
    view = collect(make_run(tmp_path / "big", BIG))
    assert view.headline.endswith("It is not better than the plain network or the hand-made ResNet.")
    assert "The difference from the plain network is smaller than that." in view.remarks[0]


def test_a_tie_is_not_a_win(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(accuracies={"found": 97.81, "plain": 97.79}))
    assert "It is not better than the plain network." in collect(run).headline


def test_result_table_marks_the_best_and_names_units(small: Path) -> None:
    found = page(small)
    assert found.classes("best") == 1
    text = found.sections["result"]
    for word in (
        "98.1 %",
        "97.2 %",
        "97.8 %",
        "98.5 %",
        "seconds",
        "epochs",
        "multiply-adds",
        "parameters",
        "17.4",
    ):
        assert word in text


def test_curves_of_search_and_every_network(small: Path) -> None:
    view = collect(small)
    names = {(c.name, c.part) for c in view.accuracy}
    assert names == {(n, p) for n in ("search", "found", "random", "plain") for p in ("train", "val")}
    assert [span.name for span in view.spans] == ["search", "found", "random", "plain"]
    found = next(c for c in view.accuracy if (c.name, c.part) == ("found", "val"))
    assert len(found.points) == 30
    assert found.points[0][0] > view.spans[0].end
    text = page(small).sections["curves"]
    assert "accuracy, %" in text
    assert "loss (cross-entropy), nats" in text
    assert "time since the start, seconds" in text


def test_inner_numbers_over_progress(small: Path) -> None:
    explore = collect(small).explore
    assert len(explore.share) == len(explore.planned) == 60
    assert explore.planned[-1] == pytest.approx((1.0, 0.1))
    assert explore.entropy_max == pytest.approx(3.2189, abs=1e-4)


def test_the_plan_is_drawn_from_k_where_the_slices_do_not_tell_it(small: Path) -> None:
    journal = small / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"p1"', '"other"'))
    planned = collect(small).explore.planned
    assert planned[0] == (0.0, 1.0)
    assert planned[-1] == pytest.approx((1.0, 0.1))


@pytest.mark.parametrize(("sample", "cells"), [(Sample(), 6 * 25), (BIG, 12 * 81)])
def test_every_layer_has_both_grids_with_the_choice_marked(tmp_path: Path, sample: Sample, cells: int) -> None:
    run = make_run(tmp_path / "run", sample)
    view = collect(run)
    assert len(view.decisions) == sample.layers
    assert all(d.side == sample.m for d in view.decisions)
    first = view.decisions[0]
    alpha = next(t for t in first.tables if t.name == "alpha")
    assert alpha.grid[1][2] == alpha.values[first.options.index("2x3")]
    html = write_report(run).read_text()
    assert html.count('class="chosen"') == 2 * sample.layers
    layers = html[html.index('id="layers"') : html.index('id="network"')]
    assert len(re.findall(r"×\d+: α = ", layers)) == len(re.findall(r"×\d+: drawn ", layers)) == cells


def test_the_choice_of_the_result_wins_over_the_last_look(small: Path) -> None:
    result = json.loads((small / "result.json").read_text())
    change(small / "result.json", search={**result["search"], "choices": [0, 1, 2, 3, 4, 5]})
    assert [d.choice for d in collect(small).decisions] == [0, 1, 2, 3, 4, 5]


def test_network_is_drawn_with_its_stages(tmp_path: Path) -> None:
    run = make_run(tmp_path / "big", BIG)
    stages = collect(run).stages
    assert [s.title for s in stages][1:-1] == [
        "32×32 px, 32 ch", "16×16 px, 64 ch", "8×8 px, 128 ch", "4×4 px, 256 ch",
    ]  # fmt: skip
    layers = [b for s in stages for b in s.blocks if b.number]
    assert [b.number for b in layers] == list(range(1, 13))
    assert all((b.kind == "conv") == (b.height * b.width <= 9) for b in layers)
    assert sum(b.kind == "reduction" for s in stages for b in s.blocks) == 3
    assert page(run).classes("arc") == 12


def test_residual_network_is_drawn_block_by_block(small: Path) -> None:
    names = {
        "stem": "full",
        "width": "32",
        "blocks 1": "1",
        "blocks 2": "1",
        "blocks 3": "2",
        "block": "basic",
    }
    result = json.loads((small / "result.json").read_text())
    result["data"]["shape"] = [3, 32, 32]
    result["networks"][0]["architecture"] = {"format": 1, "space": "resnet", "settings": {}, "choices": names}
    change(small / "result.json", **result)
    stages = collect(small).stages
    assert [s.title for s in stages][1:-1] == ["32×32 px, 32 ch", "16×16 px, 64 ch", "8×8 px, 128 ch"]
    assert [b.note for s in stages for b in s.blocks if b.number] == ["dense", "px ÷2", "px ÷2", "dense"]
    assert page(small).classes("arc") == 4


def test_the_rivals_time_is_told_apart(small: Path) -> None:
    result = json.loads((small / "result.json").read_text())
    change(small / "result.json", budget={**result["budget"], "rival_seconds": 82.0})
    told = "rival: the same time again, 82.0 s"
    assert told in key_figures(collect(small))[-1].note
    assert told in write_report(small).read_text(encoding="utf-8")


def test_parameters_per_layer_where_known(small: Path) -> None:
    result = json.loads((small / "result.json").read_text())
    result["networks"][0]["layer_params"] = [1234, 2, 3, 4, 5, 6]
    change(small / "result.json", networks=result["networks"])
    assert "1.23 k params" in page(small).sections["network"]


def test_unknown_space_is_a_list_of_boxes(small: Path) -> None:
    result = json.loads((small / "result.json").read_text())
    result["networks"][0]["architecture"] = {
        "format": 1,
        "space": "cells",
        "settings": {},
        "choices": {"edge 1": "skip"},
    }
    change(small / "result.json", networks=result["networks"])
    text = page(small).sections["network"]
    assert "edge 1" in text
    assert "skip" in text


def test_named_options_are_bars(small: Path) -> None:
    inspect = json.loads((small / "inspect.json").read_text())
    inspect["decisions"] = [{"name": "layer 1", "options": ["skip", "conv3x3", "max pool"]}]
    inspect["tables"] = {"alpha": [[0.0, 1.0, 0.0]], "frequency": [[1, 2, 1]]}
    change(small / "inspect.json", **{**inspect, "choices": [1]})
    result = json.loads((small / "result.json").read_text())
    change(small / "result.json", search={**result["search"], "choices": [1]})
    found = page(small)
    assert "max pool" in found.sections["layers"]
    assert "57.6 %" in found.sections["layers"]
    assert found.classes("picked") == 1


def test_budget_account(small: Path) -> None:
    text = page(small).sections["budget"]
    for word in ("Given 2m 00s, spent 1m 54s (95.2 %)", "train random", "17.4 s", "39.1 %", "132"):
        assert word in text


def test_errors_by_class(small: Path) -> None:
    view = collect(small)
    assert view.confusion is not None
    assert sum(map(sum, view.confusion.counts)) == 360
    text = page(small).sections["errors"]
    assert "Confusion matrix" in text
    assert "images" in text


def test_hundred_classes_are_listed_as_pairs(tmp_path: Path) -> None:
    classes = [f"kind {i}" for i in range(100)]
    run = make_run(tmp_path / "run", replace(BIG, classes=classes, layers=2, m=3))
    text = page(run).sections["errors"]
    assert "Most confused classes" in text
    assert "Confusion matrix" not in text
    assert "Worst first" in text


def test_settings_versions_notes_and_commands(small: Path) -> None:
    found = page(small)
    for word in ("space.layers", "method.k", "version of torch", "2.13.0", "cpu", "recipe of found"):
        assert word in found.sections["settings"]
    assert "The validation split has 288 images" in found.sections["notes"]
    assert f"chronas predict {small}" in found.sections["use"]
    assert "chronas resume" not in found.sections["use"]


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    names = (evil, '"><img src=x onerror=y>', *"23456789")
    run = make_run(tmp_path / "run", replace(Sample(), classes=names, source=evil))
    result = json.loads((run / "result.json").read_text())
    result["networks"][0]["title"] = evil
    result["search"]["notation"] = evil
    change(run / "result.json", **result)
    found = page(run)
    assert not [tag for tag, _ in found.tags if tag in ("script", "img")]
    assert evil in found.text


def test_nothing_is_loaded_from_elsewhere(small: Path) -> None:
    html = write_report(small).read_text()
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", html)
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_empty_folder(tmp_path: Path) -> None:
    found = page(tmp_path)
    assert "Still missing" in found.text
    assert list(found.sections) == [s for s in SECTIONS if s not in ("search", "layers", "notes")]


def test_only_the_settings(small: Path) -> None:
    for name in ("journal.jsonl", "inspect.json", "result.json", "best.json"):
        (small / name).unlink()
    found = page(small)
    assert "The search is running." in found.text
    assert "the journal (journal.jsonl)" in found.text
    assert "the settings" not in found.text.partition("Still missing")[2].partition(".")[0]


def test_half_way_through_the_search(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(until="search"))
    view = collect(run)
    assert view.status == "running"
    assert view.headline.startswith("The search is running. 50 % of its budget is used. The best so far is ")
    assert view.missing == ("the training of the found network", "a baseline to compare with")
    assert view.budget is not None
    assert view.budget.spent == pytest.approx(31.2)
    assert view.stages
    html = write_report(run).read_text()
    assert 'http-equiv="refresh"' in html
    assert 'http-equiv="refresh"' not in write_report(make_run(tmp_path / "done")).read_text()


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_an_ending_in_the_journal_is_the_status(tmp_path: Path, reason: str) -> None:
    run = make_run(tmp_path / "run", Sample(until="search"))
    journal = run / "journal.jsonl"
    seq = len(journal.read_text().splitlines()) + 1
    end = {
        "seq": seq,
        "t": 40.0,
        "stage": "search",
        "kind": "end",
        "reason": reason,
        "message": "the disk is full",
    }
    journal.write_text(journal.read_text() + json.dumps(end) + "\n")
    found = page(run)
    assert found.classes(reason) == 1
    assert "the disk is full" in found.text
    assert "chronas resume" in found.sections["use"]


def test_a_resumed_run_is_running_again(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(until="search"))
    change(run / "result.json", status="interrupted")
    journal = run / "journal.jsonl"
    seq = len(journal.read_text().splitlines())
    turns: list[dict[str, Any]] = [
        {"kind": "end", "reason": "interrupted", "message": "stopped"},
        {"kind": "start", "versions": {}},
    ]
    lines = [{"seq": seq + i + 1, "t": 40.0 + i, "stage": "run", **turn} for i, turn in enumerate(turns)]
    journal.write_text(journal.read_text() + "".join(json.dumps(line) + "\n" for line in lines))
    assert collect(run).status == "running"
    assert ("started", "2 times (resumed 1)") in collect(run).facts


def test_no_test_split(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(test=None))
    view = collect(run)
    assert view.headline.startswith("Found a network with 98.5 % validation accuracy")
    assert "no test split" in view.remarks[0]
    assert view.confusion is None
    assert "no test images" in page(run).text


def test_damaged_files_are_named_not_fatal(small: Path) -> None:
    (small / "result.json").write_text('{"format": 1, "netw')
    (small / "inspect.json").write_text("[]")
    journal = small / "journal.jsonl"
    journal.write_text("nonsense\n" + journal.read_text())
    notes = page(small).sections["notes"]
    for name in ("result.json", "inspect.json", "journal.jsonl"):
        assert name in notes


def test_torn_journal_tail_and_nan_are_borne(small: Path) -> None:
    journal = small / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    record = json.loads(lines[3])
    record["metrics"]["val_loss"] = None
    lines[3] = json.dumps(record) + "\n"
    journal.write_text("".join(lines)[:-20])
    before = journal.read_bytes()
    losses = next(c for c in collect(small).loss if (c.name, c.part) == ("search", "val"))
    assert len(losses.points) == 59
    assert journal.read_bytes() == before


def test_evaluations_give_dots_and_a_best_line(tmp_path: Path) -> None:
    values = [50.0, 70.0, 60.0, None]
    records = [
        {"seq": i + 1, "t": 10.0 * (i + 1), "stage": "search", "kind": "outcome", "ticket": i,
         "progress": 0.1 * i, "spent": 1.0,
         "work": {"work": "evaluate", "choices": [0]}, "price": {},
         "metrics": {} if v is None else {"val_accuracy": v},
         "error": "out of memory" if v is None else None}
        for i, v in enumerate(values)
    ]  # fmt: skip
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    view = collect(tmp_path)
    assert view.evaluated == ((10.0, 50.0), (20.0, 70.0), (30.0, 60.0))
    found = page(tmp_path)
    assert "best so far" in found.sections["curves"]
    assert "An evaluation failed: out of memory" in found.sections["notes"]


def test_long_runs_stay_small(tmp_path: Path) -> None:
    records = [
        {"seq": i + 1, "t": float(i), "stage": "search", "kind": "outcome", "ticket": i,
         "progress": i / 20000, "spent": float(i),
         "work": {"work": "advance"}, "metrics": {"val_accuracy": 50.0}, "price": {}, "error": None}
        for i in range(20000)
    ]  # fmt: skip
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (curve,) = collect(tmp_path).accuracy
    assert len(curve.points) <= 400
    assert curve.points[-1] == (19999.0, 50.0)
    assert write_report(tmp_path).stat().st_size < 200_000


def test_writing_needs_no_torch(small: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from chronas.reports.html import write_report;"
        "write_report(Path(sys.argv[1]));"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(small)], check=True)


def test_thousands_of_classes_have_their_mistakes_alone(tmp_path: Path) -> None:
    classes = [f"kind {i}" for i in range(3000)]
    run = make_run(tmp_path / "run", replace(BIG, classes=classes[:100], layers=2, m=3))
    result = json.loads((run / "result.json").read_text())
    found = next(row for row in result["networks"] if row["name"] == "found")
    found |= {"confusion": None, "mistakes": [[2999, 5, 40, 50], [1, 2, 3, 4]],
              "per_class": {name: float(i % 100) for i, name in enumerate(classes)}}  # fmt: skip
    result["data"]["classes"] = classes
    (run / "result.json").write_text(json.dumps(result))
    text = page(run).sections["errors"]
    assert "Most confused classes" in text
    assert "kind 2999" in text
    assert "80.0 %" in text or "80 %" in text
    assert "worst of 3000 classes" in text
    assert len((run / "report.html").read_text() if (run / "report.html").exists() else text) < 1_000_000


def test_an_accuracy_of_a_part_of_the_images_is_marked_everywhere(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", BIG)
    result = json.loads((run / "result.json").read_text())
    whole = page(run)
    assert "90.3 %on 10,000 images" in whole.text.replace("\n", "")
    assert "of 500 images" not in whole.text
    for network in result["networks"]:
        network |= {"test_images": 10000, "val_images": 288}
    result["networks"][0] |= {"test_images": 500, "val_images": 100}
    change(run / "result.json", networks=result["networks"])
    found, view = page(run), collect(run)
    stats = {figure.name: figure.note for figure in key_figures(view)}
    assert stats["test accuracy"] == "on 500 of 10,000 images"
    assert stats["validation accuracy"] == "on 100 of 288 images"
    assert found.sections["result"].count("of 500 images") == 1
    assert found.sections["result"].count("of 100 images") == 1
    assert "500 of 10,000, drawn at random" in found.sections["errors"]
    (remark,) = view.remarks
    assert remark.startswith("With 500 test images a difference below about 3.7 percentage points can be chance.")
    result["networks"][0]["test_images"], result["networks"][1]["test_images"] = 10000, 500
    change(run / "result.json", networks=result["networks"])
    most, few = collect(run).remarks
    assert most.startswith("With 10,000 test images in the comparison with the plain network and the hand-made ResNet ")
    assert few.startswith("With 500 test images in the comparison with the random network a difference below about 3.7")
    assert few.endswith("The difference from the random network is smaller than that.")


def test_a_first_network_that_nobody_judged_is_not_the_best(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(until="search"))
    change(run / "best.json", metrics={})
    assert "The best so far" not in collect(run).headline
    assert collect(run).headline.endswith("; none was judged yet.")


def test_the_model_of_a_search_counts_until_its_training_has_one(tmp_path: Path) -> None:
    """As in `chronas predict RUN`."""
    run = make_run(tmp_path / "run")
    model = {"notation": "1x1", "epochs": 1.0, "seconds": 2.0, "val_accuracy": 50.0}
    change(run / "result.json", networks=[], unfinished=model)
    inner = make_run(run / "train")
    trained = json.loads((inner / "result.json").read_text())["networks"]
    change(inner / "result.json", networks=[], unfinished=None)
    assert "what was trained so far: 1x1, unfinished" in collect(run).remarks[0]
    change(inner / "result.json", networks=trained)
    assert "trained so far" not in "".join(collect(run).remarks)
    change(inner / "result.json", networks=[], unfinished={**model, "notation": "3x3"})
    assert "what was trained so far: 3x3, unfinished" in collect(run).remarks[0]
