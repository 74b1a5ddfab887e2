"""Accuracy against cost: what the report shows of it, the front's files, and a whole search that makes them."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_run import Sample, make_run

from chronas.api import Options, search, train
from chronas.errors import RunError
from chronas.front import front_rows, write_front
from chronas.methods.base import FrontPoint
from chronas.named import architecture_file
from chronas.reports.collect import collect
from chronas.reports.html import write_report
from chronas.reports.judged import BLOCK, places_of_front
from chronas.reports.scatter import log_ticks, scatter
from chronas.reports.summary import summary_lines
from chronas.reports.view import CostView
from chronas.seeding import stream
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace
from chronas.task import Task


def journal(run: Path, evaluations: Sequence[tuple[list[int], float, dict[str, float]]]) -> Path:
    """A folder with these evaluations: (choices, share of the budget, metrics)."""
    run.mkdir()
    records = [
        {"seq": i + 1, "t": float(i), "stage": "search", "kind": "outcome", "ticket": i, "error": None, "price": {},
         "progress": 0.1, "spent": 1.0, "metrics": metrics,
         "work": {"work": "evaluate", "choices": choices, "fidelity": {"kind": "train", "share": share}}}
        for i, (choices, share, metrics) in enumerate(evaluations)
    ]  # fmt: skip
    (run / "journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return run


def view_of(run: Path) -> CostView:
    view = collect(run).cost
    assert view is not None
    return view


def metrics(accuracy: float, madds: float, params: float = 10.0) -> dict[str, float]:
    return {"val_accuracy": accuracy, "madds": madds, "params": params}


def test_a_large_front_is_that_of_the_definition() -> None:
    rng = stream(0, "points")
    points = [(float(x), float(y)) for x, y in rng.integers(1, 400, size=(2 * BLOCK + 7, 2))]
    expected = {
        i for i, (x, y) in enumerate(points)
        if not any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)
    }  # fmt: skip
    found = places_of_front(points)
    assert set(found) == expected
    assert [points[i][0] for i in found] == sorted(points[i][0] for i in found)


def test_no_section_without_known_cost(tmp_path: Path) -> None:
    run = journal(tmp_path / "a", [([0, 1], 0.5, {"val_accuracy": 50.0}), ([0, 2], 0.5, {"score": 3.0, "madds": 9.0})])
    assert collect(run).cost is None
    html = write_report(run).read_text()
    assert 'id="cost"' not in html
    assert "#cost" not in html


def test_a_network_counts_once_with_its_longest_training(tmp_path: Path) -> None:
    run = journal(tmp_path / "a", [
        ([0], 0.1, metrics(50.0, 100.0)), ([1], 0.1, metrics(40.0, 50.0)), ([2], 0.1, metrics(45.0, 200.0)),
        ([0], 0.3, metrics(61.0, 100.0)), ([2], 0.3, metrics(60.0, 200.0)),
    ])  # fmt: skip
    view = view_of(run)
    assert view.mixed
    assert view.count == 3
    assert view.judged == ((50.0, 40.0), (100.0, 61.0), (200.0, 60.0))
    assert [(point.notation, point.accuracy, point.file) for point in view.front] == [("1", 40.0, ""), ("0", 61.0, "")]
    html = write_report(run).read_text()
    assert "each network is shown with its longest" in html
    assert "chronas train" not in html.split('id="cost"')[1].split("</section>")[0], "it has no files"


def test_the_space_writes_the_names_of_a_front_that_is_only_journaled(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(judged=20))
    for name in ("result.json", "inspect.json"):
        data = json.loads((run / name).read_text())
        data.get("search", data)["front"] = []
        (run / name).write_text(json.dumps(data))
    front = view_of(run).front
    assert front
    assert all(re.fullmatch(r"\dx\d(-\dx\d){5}", point.notation) and not point.file for point in front)


def test_the_front_of_the_method_is_shown_with_its_files(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(judged=40))
    rows = json.loads((run / "result.json").read_text())["search"]["front"]
    view = view_of(run)
    assert [point.notation for point in view.front] == [row["notation"] for row in rows]
    assert view.front[0].file == "front/01.json"
    assert not view.mixed
    html = write_report(run).read_text()
    part = html.split('id="cost"')[1].split("</section>")[0]
    assert f"judged 40 networks; {len(rows)} of them are on the front" in " ".join(part.split())
    assert all(row["notation"] in part for row in rows)
    assert f"chronas train {run}/front/{len(rows) // 2 + 1:02d}.json " in part
    assert 'href="#cost"' in html


def test_the_choice_of_the_search_is_marked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Sample(judged=40))
    result = json.loads((run / "result.json").read_text())
    result["search"]["choices"] = result["search"]["front"][-1]["choices"]
    (run / "result.json").write_text(json.dumps(result))
    assert [point.found for point in view_of(run).front][-2:] == [False, True]
    assert write_report(run).read_text().count("→ the search's choice") == 1


def test_parameters_are_the_cost_where_the_method_weighs_them(tmp_path: Path) -> None:
    run = journal(tmp_path / "a", [([0], 0.1, metrics(50.0, 100.0, 7.0)), ([1], 0.1, metrics(60.0, 90.0, 8.0))])
    assert [point.params for point in view_of(run).front] == [8.0]
    (run / "spec.json").write_text(json.dumps({"format": 1, "settings": {"method": {"cost": "params"}}}))
    view = view_of(run)
    assert [point.params for point in view.front] == [7.0, 8.0]
    assert "parameters (log scale)" in scatter(view, 538)


def test_the_stepped_line_has_every_point_of_the_front_at_its_place(tmp_path: Path) -> None:
    run = journal(tmp_path / "a", [([0], 0.1, metrics(50.0, 1e6)), ([1], 0.1, metrics(60.0, 1e7)),
                                   ([2], 0.1, metrics(70.0, 1e8)), ([3], 0.1, metrics(40.0, 1e8))])  # fmt: skip
    picture = scatter(view_of(run), 538)
    match = re.search(r'<path d="M([^"]*)" class="line s-found"', picture)
    assert match
    corners = [tuple(map(float, corner.split())) for corner in match[1].split("L")]
    dots = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="4"', picture)]
    assert len(dots) == 3
    assert dots == [corner for corner in corners if corner in dots]
    assert dots[1][0] - dots[0][0] == pytest.approx(dots[2][0] - dots[1][0], abs=0.2), "decades are equally wide"
    for before, after in itertools.pairwise(corners):
        assert before[0] == after[0] or before[1] == after[1], "steps only"
    assert picture.count("dot f-other") == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.9, 1100.0, [1, 10, 100, 1000]), (0.9, 35.0, [1, 3, 10, 30]), (0.9, 11.0, [1, 3, 10]),
     (4.5e6, 5.3e6, [4.6e6, 4.8e6, 5e6, 5.2e6])],
)  # fmt: skip
def test_ticks_of_a_log_axis_are_round(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high, 5) == pytest.approx(expected)


def test_numbers_that_would_touch_are_left_out_but_for_the_best(tmp_path: Path) -> None:
    near = [([i], 0.1, metrics(50.0 + i / 100, 1e6 + i)) for i in range(5)]
    picture = scatter(view_of(journal(tmp_path / "a", [*near, ([9], 0.1, metrics(10.0, 1e8))])), 330)
    assert re.findall(r'class="end c-found">(\d+)<', picture) == ["5"]


def test_one_judged_network_is_a_whole_picture(tmp_path: Path) -> None:
    picture = scatter(view_of(journal(tmp_path / "a", [([0], 0.1, metrics(50.0, 1e6))])), 330)
    assert "nan" not in picture
    assert picture.count('r="4"') == 1


def test_very_many_networks_stay_a_small_page(tmp_path: Path) -> None:
    rng = stream(0, "many")
    run = journal(tmp_path / "a", [([i], 0.1, metrics(float(rng.uniform(10, 90)), float(rng.uniform(1e5, 1e7))))
                                   for i in range(3000)])  # fmt: skip
    view = view_of(run)
    assert view.count == 3000
    assert len(view.judged) < 1200
    assert {(point.madds, point.accuracy) for point in view.front} <= set(view.judged)


def test_closing_lines_name_the_front_and_how_to_train_one(tmp_path: Path) -> None:
    rows = [{"val_accuracy": 50.0 + i, "madds": 10**i * 1e6, "params": 1000 * i} for i in range(3)]
    result: dict[str, Any] = {"search": {"notation": "x", "front": rows}, "data": {"source": "my photos"}}
    assert summary_lines(result, Path("runs/a b"))[2:5] == [
        "Front         3 networks: 50.00 % at 1 M to 52.00 % at 100 M multiply-adds",
        "Train one     chronas train 'runs/a b/front/02.json' 'my photos' --budget 10m",
        "",
    ]
    result["search"] |= {"front": rows[:1], "method_settings": {"cost": "params"}}
    assert summary_lines(result)[2] == "Front         1 network: 50.00 % at 0 parameters"
    result["search"]["front"] = []
    assert not [line for line in summary_lines(result, tmp_path) if line.startswith(("Front", "Train one"))]


class TwoAims:
    """As much of a method as the front needs."""

    def __init__(self, *points: FrontPoint) -> None:
        self.points = points

    def front(self) -> Sequence[FrontPoint]:
        return self.points


def test_files_of_the_front_follow_it(tmp_path: Path) -> None:
    space, task = SuperkernelSpace(SuperkernelSettings(layers=2, m=3, width=8, reductions=1)), Task(1, 8, 8, 10)
    points = [FrontPoint((0, i), 50.0 + i, math.nan) for i in range(3)]
    rows = front_rows(TwoAims(*points), space, task)  # type: ignore[arg-type]
    assert [row["notation"] for row in rows] == [space.notation(point.choices) for point in points]
    assert all(row["madds"] > 0 and row["params"] > 0 for row in rows)
    write_front(tmp_path, space, rows)
    assert sorted(path.name for path in (tmp_path / "front").iterdir()) == ["01.json", "02.json", "03.json"]
    assert architecture_file(tmp_path / "front" / "02.json").choices == (0, 1)
    before = (tmp_path / "front" / "01.json").stat().st_ino
    write_front(tmp_path, space, rows[:2])
    assert sorted(path.name for path in (tmp_path / "front").iterdir()) == ["01.json", "02.json"]
    assert (tmp_path / "front" / "01.json").stat().st_ino == before, "what has not changed is not written again"
    with pytest.raises(RunError):
        architecture_file(tmp_path / "front" / "03.json")


def test_a_method_with_one_aim_leaves_no_folder(tmp_path: Path) -> None:
    write_front(tmp_path, SuperkernelSpace(SuperkernelSettings()), front_rows(TwoAims(), None, None))  # type: ignore[arg-type]
    assert not (tmp_path / "front").exists()


def test_a_search_with_two_objectives_from_end_to_end(tmp_path: Path) -> None:
    rng = stream(0, "images")
    labels = np.arange(60) % 3
    images = rng.integers(0, 80, size=(60, 8, 8, 1)) + 60 * labels[:, None, None, None]
    data = tmp_path / "blobs.npz"
    np.savez(data, x_train=images.astype(np.uint8), y_train=labels)
    options = Options(space="superkernel", method="nsga2", device="cpu", recipe="fast",
                      settings={"space": {"layers": 2, "m": 3, "width": 8, "reductions": 1},
                                "method": {"population": 3, "evaluations": 4}})  # fmt: skip
    run = tmp_path / "run"
    result = search(data, budget="4 evaluations", out=run, options=options).result
    front = result["search"]["front"]
    assert front
    assert [row["madds"] for row in front] == sorted({row["madds"] for row in front})
    assert result["search"]["choices"] in [row["choices"] for row in front], "the most accurate is on the front"
    assert json.loads((run / "inspect.json").read_text())["front"] == front
    assert view_of(run).count == 4
    assert [point.accuracy for point in view_of(run).front] == [row["val_accuracy"] for row in front]
    first = architecture_file(run / "front" / "01.json")
    assert list(first.choices) == front[0]["choices"]
    trained = train(first, data, budget="1 epochs", out=tmp_path / "trained", options=Options(device="cpu"))
    found = trained.network("found")
    assert found is not None
    assert found["madds"] == front[0]["madds"]
