"""Turns a run folder, finished or not, into a `ReportView`. No rendering here, no torch."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from chronas.reports.considered import considered
from chronas.reports.curves import accuracy_curves, evaluated, explore, loss_curves, spans
from chronas.reports.decisions import decisions
from chronas.reports.joined import read_joined
from chronas.reports.judged import cost_view
from chronas.reports.layout import kernel_side, stages
from chronas.reports.reading import Json, RunFiles, flatten, items, number, section, text
from chronas.reports.summary import unfinished_words
from chronas.reports.verdict import headline, remarks
from chronas.reports.view import (
    BudgetView,
    ConfusionView,
    ConsideredView,
    DataView,
    NetworkView,
    Note,
    ReportView,
    SearchView,
)

TITLES = {"timing": "chosen by its size and speed", "training": "trained as it was given"}
"""What the found network is where nothing was searched."""
ENDED = ("finished", "interrupted", "failed")


def collect(run: Path) -> ReportView:
    """Read everything that the run folder `run` holds so far; what is absent is named in `missing`.

    A search whose network was trained later (`chronas train RUN`) is shown with that training.
    """
    files = read_joined(run)
    data, budget = _data(files), _budget(files)
    networks = tuple(_network(section(n), data) for n in items(files.result.get("networks")))
    found = next((n for n in networks if n.name == "found"), None)
    weighed = considered(files, found.epochs if found else None)
    search = _search(files, weighed)
    if search is not None and search.how in TITLES:
        networks = tuple(replace(n, title=TITLES[search.how]) if n is found else n for n in networks)
    status, message = _status(files)
    progress = None if status == "finished" else _progress(files)
    table = decisions(files)
    drawn = stages(files)
    return ReportView(
        run=run.resolve().name,
        at=shlex.quote(str(run)),
        status=status,
        message=message,
        headline=headline(status, search, networks, budget, progress),
        remarks=(*_so_far(files), *remarks(networks, data)),
        missing=_missing(files, networks, search),
        progress=progress,
        data=data,
        budget=budget,
        search=search,
        considered=weighed,
        networks=networks,
        spans=spans(files),
        accuracy=accuracy_curves(files),
        loss=loss_curves(files),
        evaluated=evaluated(files),
        cost=cost_view(files),
        explore=explore(files, table),
        decisions=table,
        stages=drawn,
        kernel_side=kernel_side(drawn),
        confusion=_confusion(found, data),
        facts=_facts(files),
        settings=tuple((k, v) for k, v in flatten(files.spec) if k not in ("format", "considered")),
        notes=_notes(files),
    )


def _so_far(files: RunFiles) -> tuple[str, ...]:
    """The model of an interrupted run: what it is, and what can be done with it."""
    model = unfinished_words(files.result)
    return (f"The model in this run is what was trained so far: {model}. It can be used now.",) if model else ()


def _data(files: RunFiles) -> DataView | None:
    data = section(files.result.get("data"))
    if not data:
        source = text(files.spec.get("data")) if not isinstance(files.spec.get("data"), dict) else ""
        source = source or text(section(files.spec.get("data")).get("source"))
        return DataView(source, None, None, None, (), None) if source else None
    shape = [number(side) for side in items(data.get("shape"))]
    whole = tuple(int(side) for side in shape if side is not None)
    return DataView(
        source=text(data.get("source")),
        train=_whole(data.get("train")),
        val=_whole(data.get("val")),
        test=_whole(data.get("test")),
        classes=tuple(text(name) for name in items(data.get("classes"))),
        shape=(whole[0], whole[1], whole[2]) if len(whole) == 3 else None,
    )


def _whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)


def _budget(files: RunFiles) -> BudgetView | None:
    budget = section(files.result.get("budget"))
    begun = [r for r in files.records if r.get("kind") == "stage" and r.get("event") == "begin"]
    if not budget and begun:
        spent = [v for r in files.records if (v := number(r.get("spent"))) is not None]
        budget = {**section(begun[-1].get("budget")), "spent": spent[-1] if spent else None}
    if not budget:
        return None
    where = [(text(name), number(value)) for name, value in section(budget.get("where")).items()]
    return BudgetView(
        number(budget.get("amount")),
        text(budget.get("unit")) or "seconds",
        number(budget.get("spent")),
        tuple((name, value) for name, value in where if value is not None and value > 0),
        number(budget.get("exploration_share")),
        number(budget.get("evaluations")),
        number(budget.get("epochs")),
        number(budget.get("rival_seconds")),
    )


def _search(files: RunFiles, weighed: ConsideredView | None) -> SearchView | None:
    search = section(files.result.get("search"))
    spec_space, spec_method = files.spec.get("space"), files.spec.get("method")
    how = "timing" if weighed and not weighed.raced else "search"
    if files.spec.get("verb") == "train":
        how, spec_space = "training", section(files.spec.get("architecture")).get("space")
    space = search.get("space") or files.inspect.get("space") or _name(spec_space)
    method = search.get("method") or _name(spec_method)
    notation = search.get("notation") or files.best.get("notation") or _last_best(files)
    if not (space or method or notation):
        return None
    first = bool(files.best) and not section(files.best.get("metrics")) and not search and how != "training"
    return SearchView(
        text(space),
        text(method),
        text(search.get("seed", files.spec.get("seed"))),
        text(notation),
        number(search.get("params")),
        number(search.get("madds")),
        bool(search),
        how,
        not first,
    )


def _name(value: object) -> object:
    return section(value).get("name") if isinstance(value, dict) else value


def _last_best(files: RunFiles) -> object:
    best = [r for r in files.records if r.get("kind") == "best"]
    return best[-1].get("notation") if best else None


def _network(data: Json, images: DataView | None) -> NetworkView:
    per_class = [(text(name), number(value)) for name, value in section(data.get("per_class")).items()]
    confusion = [[int(number(many) or 0) for many in items(row)] for row in items(data.get("confusion"))]
    mistakes = [[int(number(one) or 0) for one in items(row)] for row in items(data.get("mistakes"))]
    return NetworkView(
        name=text(data.get("name")),
        title=text(data.get("title")) or text(data.get("name")),
        recipe=text(data.get("recipe")),
        params=number(data.get("params")),
        madds=number(data.get("madds")),
        seconds=number(data.get("seconds")),
        epochs=number(data.get("epochs")),
        val_accuracy=number(data.get("val_accuracy")),
        test_accuracy=number(data.get("test_accuracy")),
        test_loss=number(data.get("test_loss")),
        confusion=tuple(tuple(row) for row in confusion),
        mistakes=tuple((row[0], row[1], row[2], row[3]) for row in mistakes if len(row) == 4 and min(row) >= 0),
        per_class=tuple((name, value) for name, value in per_class if value is not None),
        val_images=_part(data.get("val_images"), images.val if images else None),
        test_images=_part(data.get("test_images"), images.test if images else None),
    )


def _status(files: RunFiles) -> tuple[str, str]:
    """What the journal's last start or end says; without one, the result's own word.

    The journal comes first because a resumed run still has "interrupted" in its result for a while.
    """
    turns = [r for r in files.records if r.get("kind") in ("start", "end")]
    if not turns:
        stated = text(files.result.get("status"))
        return (stated if stated in ENDED else "running"), ""
    reason = text(turns[-1].get("reason")) if turns[-1].get("kind") == "end" else ""
    return (reason if reason in ENDED else "running"), text(turns[-1].get("message"))


def _part(value: object, of: int | None) -> int | None:
    """How many images were looked at, where that are fewer than all; older runs do not tell, and looked at all."""
    seen = _whole(value)
    return seen if seen and of and seen < of else None


def _progress(files: RunFiles) -> float | None:
    seen = [p for r in files.records if (p := number(r.get("progress"))) is not None]
    return seen[-1] if seen else number(files.inspect.get("progress"))


def _missing(files: RunFiles, networks: tuple[NetworkView, ...], search: SearchView | None) -> tuple[str, ...]:
    found = next((n for n in networks if n.name == "found"), None)
    parts = {
        "the settings (spec.json)": bool(files.spec),
        "the journal (journal.jsonl)": bool(files.records),
        "the look inside the search (inspect.json)": bool(files.inspect or (search and search.how == "training")),
        "an architecture": bool(search and search.notation),
        "the training of the found network": found is not None,
        "a baseline to compare with": len(networks) > 1,
    }
    if found is not None and found.test_accuracy is None:
        no_split = section(files.result.get("data")).get("test", 0) is None
        parts["the test (the data has no test split)" if no_split else "the test"] = False
    return tuple(name for name, there in parts.items() if not there)


def _confusion(found: NetworkView | None, data: DataView | None) -> ConfusionView | None:
    if found is None:
        return None
    side = len(found.confusion)
    square = found.confusion if side and all(len(row) == side for row in found.confusion) else ()
    if not square and not found.per_class:
        return None
    known = data.classes if data else ()
    names = known if len(known) == side or not side else ()
    names = names or tuple(name for name, _ in found.per_class) or tuple(str(i) for i in range(side))
    per_class = found.per_class or tuple(
        (name, 100 * row[i] / sum(row)) for i, (name, row) in enumerate(zip(names, square, strict=False)) if sum(row)
    )
    mistakes = tuple(row for row in found.mistakes if max(row[:2]) < len(names)) if not square else ()
    return ConfusionView(names, square if len(names) == side else (), mistakes, per_class)


def _facts(files: RunFiles) -> tuple[tuple[str, str], ...]:
    starts = [r for r in files.records if r.get("kind") == "start" and not r.get("joined")]
    rows = [("started", f"{len(starts)} times (resumed {len(starts) - 1})")] if len(starts) > 1 else []
    for start in starts[-1:]:
        rows += [(f"version of {name}", text(v)) for name, v in section(start.get("versions")).items()]
        rows += [(name, text(start[name])) for name in ("device", "threads") if start.get(name) is not None]
    return tuple(rows)


def _notes(files: RunFiles) -> tuple[Note, ...]:
    faults = [Note("warning", None, fault) for fault in files.faults]
    noted = [r for r in files.records if r.get("kind") == "note"]
    failed = [r for r in files.records if r.get("kind") == "outcome" and r.get("error")]
    told = [_note(r, text(r.get("level")) or "info", text(r.get("message"))) for r in noted[-200:]]
    bad = [_note(r, "warning", f"An evaluation failed: {text(r.get('error'))}") for r in failed[-20:]]
    return (*faults, *sorted(told + bad, key=lambda n: n.time or 0.0))


def _note(record: Json, level: str, message: str) -> Note:
    return Note(level, number(record.get("t")), message)
