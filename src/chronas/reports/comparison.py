"""A comparison for people: a table on the terminal and as plain text, CSV files, and one page with any-time curves."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table as RichTable
from rich.text import Text

from chronas.comparison import Comparison, Line, Split
from chronas.reports.comparison_page import comparison_page
from chronas.reports.units import DASH, amount
from chronas.runs.files import write_bytes

FILES = ("comparison.html", "comparison.csv", "curves.csv", "table.txt")


def write_comparison(result: Comparison, folder: str | Path) -> list[Path]:
    """Write the page, both CSV files and the plain table into `folder`; returns their paths.

    Raises EnvironmentFault where the disk refuses.
    """
    texts = (
        comparison_page(result, *table(result, _paged(result)), particular_notes(result)),
        metrics_csv(result),
        curves_csv(result),
        plain_table(result),
    )
    paths = [Path(folder) / name for name in FILES]
    for path, text in zip(paths, texts, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode())
    return paths


def _paged(result: Comparison) -> list[Split]:
    """What fits on the page: test of every data set, and both metrics of the one that was searched on."""
    return [split for split in result.splits if split[1] == "test" or split[0] == result.dataset]


def table(result: Comparison, splits: Sequence[Split] | None = None) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of text, methods first, chance last; of the metrics `splits` (default: all)."""
    shown = result.splits if splits is None else splits
    seconds = result.budget.unit == "seconds"
    unit = "search, s" if seconds else "evaluations"
    head = ["method", unit, *(["evaluations"] if seconds else []), *map(result.words, shown)]
    head += [f"against {result.baseline.label}, std errors", "mean rank"]
    return head, [_row(result, line, shown) for line in result.lines]


def _row(result: Comparison, line: Line, splits: Sequence[Split]) -> list[str]:
    spent = (
        DASH
        if line.spent is None
        else f"{line.spent.mean():,.0f}"
        if line.spent.mean() >= 100
        else _two(line.spent.mean())
    )
    told = DASH if line.evaluations is None else f"{line.evaluations.mean():,.1f}".removesuffix(".0")
    paid = [spent, told] if result.budget.unit == "seconds" else [told]
    gap = result.difference(line)
    beside = DASH if gap is None else f"{gap:+.1f}"
    metrics = [_plus_minus(line, split) for split in splits]
    return [line.label, *paid, *metrics, beside, DASH if line.rank is None else _two(line.rank)]


def _two(value: float) -> str:
    return f"{value:.2f}"


def _plus_minus(line: Line, split: Split) -> str:
    mean = line.mean(split)
    if math.isnan(mean):
        return DASH
    values = line.values[split]
    return f"{mean:.2f} ± {line.std(split):.2f}" if len(values) > 1 else f"{mean:.2f}"


def summary(result: Comparison) -> str:
    """What was compared, in one sentence."""
    workers = "" if result.workers == 1 else f" with {result.workers} evaluations at once"
    given = amount(result.budget.amount, result.budget.unit)
    return (
        f"{result.table}: {result.runs} runs of each method, {given} simulated{workers}; methods saw the "
        f"validation accuracy on {result.dataset} after {result.epochs} epochs."
    )


def rich_table(result: Comparison, width: int) -> RichTable:
    """The table for a terminal of `width` characters; columns of less weight are left out where it is narrow."""
    head, rows = table(result)
    tall = [head[0], *(words.replace(" ", "\n") for words in head[1:])]
    kept = _fitting(result, tall, rows, width)
    words = summary(result) + ("" if len(kept) == len(head) else " A wider terminal, and --out, show more columns.")
    made = RichTable(title=words, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place in kept:
        first = place == 0
        made.add_column(tall[place], justify="left" if first else "right", no_wrap=True, style="cyan" if first else "")
    kind = result.lines[0].kind
    for line, row in zip(result.lines, rows, strict=True):
        if line.kind != kind:
            made.add_row()
            kind = line.kind
        made.add_row(*(Text(row[place]) for place in kept))
    return made


def _fitting(result: Comparison, head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Places of the columns that fit into `width` characters."""
    sizes = [max(*(len(part) for part in words.split("\n")), *(len(row[place]) for row in rows))
             for place, words in enumerate(head)]  # fmt: skip
    first = len(head) - 2 - len(result.splits)
    of_split = {split: first + place for place, split in enumerate(result.splits)}
    others = [split for split in result.splits if split != result.main]
    validation = [of_split[s] for s in others if s[1] == "val" and s[0] != result.dataset]
    own = [of_split[s] for s in others if s[1] == "val" and s[0] == result.dataset]
    rest = [of_split[s] for s in reversed(others) if s[1] == "test"]
    kept = list(range(len(head)))
    for place in [*validation, *([2] if first == 3 else []), 1, *own, *rest]:
        if sum(sizes[k] + 2 for k in kept) - 2 <= width:
            break
        kept.remove(place)
    return kept


def plain_table(result: Comparison) -> str:
    """The table as text in columns, methods and references under each other as in the papers."""
    head, rows = table(result)
    return "\n".join([summary(result), "", in_columns([head, *rows]), "", *notes(result), ""])


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns, all but the first to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def notes(result: Comparison) -> list[str]:
    """What a reader must know to take the numbers for what they are."""
    dataset, split = result.main
    lines = [
        "Mean ± standard deviation over runs, of what the table knows of the chosen architecture after its longest"
        " training.",
        f"Ranks and the difference to random search at equal price are of {dataset} {split}.",
        "optimal of N: the best of N random architectures, for each column by itself; no search can know it.",
    ]
    return lines + particular_notes(result)


def particular_notes(result: Comparison) -> list[str]:
    """What is true of some methods of this comparison alone: failed evaluations, searches that ended by themselves."""
    lines = []
    failed = [line.label for line in result.lines if line.failures is not None and line.failures.any()]
    if failed:
        names = ", ".join(failed)
        lines.append(
            f"Some evaluations of {names} failed: of networks without a score or without an entry in the table."
        )
    early = [line for line in result.lines if line.kind == "method" and result.ended_early(line)]
    if early:
        shares = [100 * (_mean(line.spent) or 0.0) / result.budget.amount for line in early]
        names = ", ".join(f"{line.label} (after {share:.0f} %)" for line, share in zip(early, shares, strict=True))
        lines.append(f"Some ended by themselves before the budget was spent: {names}.")
    return lines


def metrics_csv(result: Comparison) -> str:
    """One line per method, data set and split."""
    rows: list[list[object]] = [["method", "kind", "dataset", "split", "mean", "std", "runs", "spent", "evaluations",
                                 "difference_in_std_errors", "mean_rank"]]  # fmt: skip
    for line in result.lines:
        for split in result.splits:
            if split in line.values:
                own = split == result.main
                gap = result.difference(line) if own else None
                rows.append([line.label, line.kind, *split, _exact(line.mean(split)), _exact(line.std(split)),
                             len(line.values[split]), _exact(_mean(line.spent)), _exact(_mean(line.evaluations)),
                             _exact(gap), _exact(line.rank if own else None)])  # fmt: skip
    return _csv(rows)


def curves_csv(result: Comparison) -> str:
    """One line per method, data set, split and time; times before every run had chosen are left out."""
    rows: list[list[object]] = [["method", "dataset", "split", result.budget.unit, "mean", "std"]]
    for label, curves in result.curves.items():
        for split, (mean, std) in curves.items():
            for time, value, spread in zip(result.times, mean, std, strict=True):
                if math.isfinite(value):
                    rows.append([label, *split, f"{time:.6g}", _exact(value), _exact(spread)])
    return _csv(rows)


def _mean(values: object) -> float | None:
    return None if values is None else float(values.mean())  # type: ignore[attr-defined]


def _exact(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
