"""chronas train: train a found architecture from scratch."""

from __future__ import annotations

from pathlib import Path

from chronas.cli.files import architecture_file
from chronas.cli.options import CONFIG_HELP, DATA_HELP, add_run_options, named_after, run_words
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser
from chronas.errors import UsageError
from chronas.runs.folder import TRAINED


def parser() -> Parser:
    """RUN|ARCHITECTURE.json DATA --budget B and the options of a training."""
    made = Parser("train", "Train an architecture from scratch within the budget, and test it.", notes=CONFIG_HELP)
    made.add_argument("source", metavar="RUN|FILE.json", nargs="?", help="a run folder, or an architecture file")
    made.add_argument("data", metavar="DATA", nargs="?", help=DATA_HELP)
    add_run_options(made, searches=False, trains=True)
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.train`."""
    if not hasattr(words, "source"):
        raise UsageError("chronas train needs a run or an architecture: chronas train runs/a photos --budget 20m")
    given = run_words(parser(), words)
    idle = [group for group, values in given.options["settings"].items() if values and group != "recipe"]
    if idle:
        raise UsageError(f"A training has a fixed architecture and takes recipe settings alone, not {', '.join(idle)}.")
    source = Path(words.source).expanduser()
    architecture = architecture_file(source) if source.is_file() else source
    words.out = out = given.out or (named_after(given.data) if source.is_file() else source / TRAINED)
    from chronas import api

    return conduct(
        lambda listeners, stop: api.train(
            architecture, given.data, budget=given.budget, out=out,
            options=given.library_options(listeners, started, stop),
        ),
        out, given.shown, f"chronas train {words.source}, {given.budget}",
    )  # fmt: skip
