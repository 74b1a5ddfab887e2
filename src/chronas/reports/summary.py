"""The closing table of a run for the terminal: plain aligned text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chronas.reports.reading import Json, items, number, section, text
from chronas.reports.units import amount, decimal, percent, seconds, short

HEAD = ("network", "test acc.", "val. acc.", "parameters", "multiply-adds", "epochs", "seconds")
COSTS = {"madds": "multiply-adds", "params": "parameters"}
WORDS = {"found": "found", "random": "random", "plain": "plain", "rival": "rival"}


def summary_lines(result: Mapping[str, Any], run: Path | None = None) -> list[str]:
    """What a user needs at the end, from the content of result.json; unknown numbers are "-".

    Accuracies in percent, multiply-adds per image, seconds of training. With `run` the place of the report
    is named.
    """
    search = section(result.get("search"))
    networks = [section(n) for n in items(result.get("networks"))]
    lines = []
    if search.get("notation"):
        lines += [f"Architecture  {text(search['notation'])}", ""]
    if networks:
        lines += [*_table(networks), *_parts(networks, section(result.get("data"))), ""]
    model = unfinished_words(result)
    lines += [f"{'Model so far':12}  {model}"] if model else []
    lines += _front(search, section(result.get("data")), run)
    lines += _budget(section(result.get("budget")))
    if run is not None:
        lines.append(f"Report        {Path(run) / 'report.html'}")
    return lines


def _parts(networks: list[Json], data: Json) -> list[str]:
    """Where an accuracy is of a part of the images: there was no time for all."""
    lines = []
    for network in networks:
        for key, kind in (("val", "validation"), ("test", "test")):
            seen, of = number(network.get(f"{key}_images")), number(data.get(key))
            if seen and of and seen < of:
                name = text(network.get("name"))
                part = f"{seen:,.0f} of {of:,.0f} {kind} images"
                lines.append(f"{WORDS.get(name, name)}: accuracy of {part}, drawn at random")
    return lines


def unfinished_words(result: Mapping[str, Any]) -> str:
    """What an interrupted run leaves to use, in words; "" where nothing.

    It is never among the networks, for its training was not finished.
    """
    model, data = section(result.get("unfinished")), section(result.get("data"))
    notation, accuracy = text(model.get("notation")), number(model.get("val_accuracy"))
    if not notation:
        return ""
    seen, of = number(model.get("val_images")), number(data.get("val"))
    part = f" of {seen:,.0f} of {of:,.0f} images" if seen and of and seen < of else ""
    judged = "not judged" if accuracy is None else f"{percent(accuracy)} on validation{part}"
    spent = f"{decimal(number(model.get('epochs')))} epochs, {seconds(number(model.get('seconds')))}"
    return f"{notation}, unfinished ({spent}): {judged}"


def data_word(data: Json) -> str:
    """What to type for the images of a run, from the `data` of its result: DATA where they had no path."""
    source = text(data.get("source"))
    return "DATA" if not source or source.startswith("<") else shlex.quote(source)


def _table(networks: list[Json]) -> list[str]:
    rows = [HEAD, *(_row(network) for network in networks)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return [
        "  ".join(
            cell.rjust(wide) if i else cell.ljust(wide) for i, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _row(network: Json) -> tuple[str, ...]:
    name = text(network.get("name"))
    spent = number(network.get("seconds"))
    return (
        WORDS.get(name, name),
        percent(number(network.get("test_accuracy"))),
        percent(number(network.get("val_accuracy"))),
        short(number(network.get("params"))),
        short(number(network.get("madds"))),
        decimal(number(network.get("epochs"))),
        "-" if spent is None else f"{spent:.1f}",
    )


def _front(search: Json, data: Json, run: Path | None) -> list[str]:
    """How many networks the front of a search with two objectives has, from where to where, how to train one."""
    rows = [section(row) for row in items(search.get("front"))]
    if not rows:
        return []
    cost = "params" if section(search.get("method_settings")).get("cost") == "params" else "madds"
    ends = dict.fromkeys(
        f"{percent(number(row.get('val_accuracy')), 2)} at {short(number(row.get(cost)))}"
        for row in (rows[0], rows[-1])
    )
    many = "1 network" if len(rows) == 1 else f"{len(rows)} networks"
    lines = [f"{'Front':12}  {many}: {' to '.join(ends)} {COSTS[cost]}"]
    if run is not None:
        file = Path(run) / "front" / f"{len(rows) // 2 + 1:02d}.json"
        lines.append(f"{'Train one':12}  chronas train {shlex.quote(str(file))} {data_word(data)} --budget 10m")
    return [*lines, ""]


def _budget(budget: Json) -> list[str]:
    unit, spent = text(budget.get("unit")) or "seconds", number(budget.get("spent"))
    if not budget:
        return []
    name = "Time used" if unit == "seconds" else "Used"
    lines = [f"{name:12}  {amount(spent, unit)} of {amount(number(budget.get('amount')), unit)}"]
    where = [(text(k), number(v)) for k, v in section(budget.get("where")).items()]
    rival = number(budget.get("rival_seconds"))
    if rival:
        lines.append(f"{'Rival':12}  the same time again, {seconds(rival)}")
    parts = [f"{name} {seconds(value)}" for name, value in where if value]
    if parts:
        lines.append(f"{'Spent on':12}  {', '.join(parts)}")
    return lines
