"""chronas compare: which method is best for a budget, from a published table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chronas.cli.words import Namespace, Parser, whole
from chronas.errors import UsageError
from chronas.runs.places import refuse_making
from chronas.settings import parse_assignments

NOTES = """\
Random search at equal price, one random architecture, the best of 10 and of 100, and the table's optimum are always
beside. NAME:PRESET picks a preset of a method, for example rea:paper. Settings: --set rea.population=20 (for the method
of that name). See also: chronas list methods, chronas list benchmarks"""


def parser() -> Parser:
    """TABLE --methods NAMES and the options of the protocol."""
    made = Parser("compare", "Compare methods by simulated runs on a published table. Nothing is trained.", notes=NOTES)
    made.add_argument("table", metavar="TABLE", help="nasbench201 or another registered table, or a table's file")
    made.option("--methods", metavar="A,B", help="methods by name, for example rea,bohb,reinforce (required)")
    made.option("--dataset", metavar="D", help="whose validation accuracy the methods see (default: the table's first)")
    made.option(
        "--budget", metavar="B", help="simulated time or evaluations: 12000s, '100 evaluations' (default: 12000s)"
    )
    made.option("--runs", metavar="N", type=whole, help="runs of each method (default: 500)")
    made.option(
        "--epochs",
        metavar="N",
        type=whole,
        help="epochs of the accuracies that methods see (default: 12 where the table has it, else its fewest)",
    )
    made.option("--workers", metavar="N", type=whole, help="evaluations under way at once (default: 1)")
    made.option("--seed", metavar="N", type=whole, help="same seed, same result (default: 0)")
    made.option("--set", metavar="M.NAME=V", action="append", help="a setting of the method M (repeatable)")
    made.option("--scores", metavar="FILE", action="append",
                help="scores of untrained networks, .parquet or .npz, for area and naswot (repeatable)")  # fmt: skip
    made.option(
        "--processes", metavar="N", type=whole, help="processes of this machine; changes no result (default: 1)"
    )
    made.option(
        "--out", metavar="FOLDER", help="also write a page with any-time curves, CSV and the table as text there"
    )
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.compare.compare`, shown as a table."""
    if not hasattr(words, "methods"):
        raise UsageError(
            "chronas compare needs --methods, for example: chronas compare nasbench201 --methods random,rea --runs 100"
        )
    out = Path(words.out).expanduser() if hasattr(words, "out") else None
    if out is not None:
        refuse_making(out)
    from chronas.benchmarks import load
    from chronas.compare import Contender, compare
    from chronas.execution.scores import read_scores, shipped_scores
    from chronas.reports.comparison import notes, rich_table, write_comparison
    from chronas.reports.terminal import Terminal

    settings = parse_assignments(getattr(words, "set", []))
    names = [name for name in words.methods.split(",") if name.strip()]
    methods = [Contender.parse(name, settings) for name in names]
    unused = sorted(set(settings) - {one.method for one in methods})
    if not methods or unused:
        raise UsageError(f"--set names {unused[0]!r}, which is not compared." if unused else "--methods names nothing.")
    table = load(words.table)
    scores = shipped_scores(table)
    for path in getattr(words, "scores", []):
        scores |= read_scores(Path(path).expanduser(), table)
    options = {name: getattr(words, name) for name in ("dataset", "budget", "runs", "workers", "seed", "epochs",
                                                       "processes") if hasattr(words, name)}  # fmt: skip
    with _progress(options.get("runs", 500)) as progress:
        result = compare(table, methods, **options, proxy_scores=scores, progress=progress)
    console = Terminal()
    console.print(rich_table(result, console.width))
    console.print("\n" + "\n".join(notes(result)))
    if out is not None:
        for path in write_comparison(result, out):
            console.print(f"written: {path}")
    return 0


@contextmanager
def _progress(runs: int) -> Iterator[Callable[[str, int], None] | None]:
    """A line on stderr that says how far it is, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status("simulating") as status:
        yield lambda label, done: status.update(f"{label}: {done} of {runs} runs")
