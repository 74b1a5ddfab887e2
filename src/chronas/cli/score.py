"""chronas score: scores of untrained networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from chronas.cli.options import DATA_HELP, add_data_options
from chronas.cli.words import Namespace, Parser, whole
from chronas.data.options import NAMES
from chronas.errors import UsageError
from chronas.runs.places import refuse_making
from chronas.settings import parse_assignments

NOTES = """\
Where a table of the space ships with Chronas (nasbench201), each proxy's Kendall's tau with the published test
accuracies is shown. `params` and `flops` are what every proxy must beat. See also: chronas list proxies"""
PASSED_ON = ("samples", "seed", "batch", "in_flight", "device")


def parser() -> Parser:
    """DATA --space S --proxy P,Q --samples N --out FILE."""
    made = Parser("score", "Score random networks of a space without training any.", notes=NOTES)
    made.add_argument("data", metavar="DATA", nargs="?", help=DATA_HELP)
    made.option("--space", metavar="S", help="search space; see: chronas list spaces (required)")
    made.option("--proxy", metavar="P,Q", help="proxies by name, or all (default: naswot)")
    made.option("--samples", metavar="N", type=whole, help="different networks that are drawn (default: 1000)")
    made.option("--out", metavar="FILE", help="all scores as .csv or .parquet")
    made.option("--batch", metavar="N", type=whole, help="images that each network sees (default: 128)")
    made.option(
        "--in-flight",
        metavar="N",
        type=whole,
        help="networks scored side by side (default: as the CPU allows)",
    )
    made.option("--set", metavar="space.K=V", action="append", help="a setting of the space (repeatable)")
    add_data_options(made)
    made.option("--seed", metavar="N", type=whole, help="same seed, same result (default: 0)")
    made.option("--device", metavar="D", help="auto, cpu, cuda, cuda:1 (default: auto)")
    made.option("--quiet", action="store_true", help="no progress")
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.scoring.score`, its tables, and the file."""
    for name, what in (("data", "DATA, the images"), ("space", "--space, what to draw from")):
        if not hasattr(words, name):
            raise UsageError(
                f"chronas score needs {what}, for example: chronas score photos --space nasbench201 --samples 100"
            )
    from chronas.proxies import PROXIES
    from chronas.reports.scored import agreement, best_table, proxy_table
    from chronas.reports.terminal import Terminal
    from chronas.scoring import check_target, score

    settings = parse_assignments(getattr(words, "set", []))
    if set(settings) - {"space"}:
        raise UsageError(f"chronas score knows settings of the space only, but got {', '.join(sorted(settings))}.")
    out = Path(words.out).expanduser() if hasattr(words, "out") else None
    if out is not None:
        refuse_making(out)
        check_target(out)
    asked = getattr(words, "proxy", "naswot")
    names = list(PROXIES.names()) if asked == "all" else [name.strip() for name in asked.split(",") if name.strip()]
    loading = {name: getattr(words, name) for name in NAMES if hasattr(words, name)}
    given: dict[str, Any] = {name: getattr(words, name) for name in PASSED_ON if hasattr(words, name)}
    with _Progress(hidden=hasattr(words, "quiet") or not sys.stderr.isatty()) as shown:
        scores = score(words.data, space=words.space, proxies=names, settings=settings.get("space"),
                       load_options=loading, progress=shown.advance, **given)  # fmt: skip
    console = Terminal()
    console.print(best_table(scores))
    console.print()
    console.print(proxy_table(scores, agreement(scores)))
    for note in scores.notes:
        print(f"chronas: {note}", file=sys.stderr)
    if out is not None:
        scores.write(out)
    print(f"\n{len(scores.networks)} networks of {scores.space.name}" + (f", all scores in {out}" if out else ""))
    return 0


class _Progress:
    """A progress bar on stderr, one line per proxy."""

    def __init__(self, *, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.bars = Progress(console=Console(stderr=True), disable=hidden)
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> _Progress:
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def advance(self, proxy: str, done: int, total: int) -> None:
        """Show that `proxy` has scored `done` of `total` networks."""
        if proxy not in self.tasks:
            self.tasks[proxy] = self.bars.add_task(proxy, total=total)
        self.bars.update(self.tasks[proxy], completed=done)
