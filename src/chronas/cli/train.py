"""chronas train: train a found architecture from scratch."""

from __future__ import annotations

from chronas.architecture import Architecture
from chronas.cli.files import SOURCE_HELP, tell_open
from chronas.cli.options import CONFIG_HELP, DATA_HELP, add_run_options, named_after, run_words
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser
from chronas.errors import UsageError
from chronas.named import EXAMPLE, find_source
from chronas.runs.folder import RunFolder


def parser() -> Parser:
    """RUN|FILE.json|SPACE:NOTATION DATA --budget B and the options of a training."""
    made = Parser("train", "Train an architecture from scratch within the budget, and test it.", notes=CONFIG_HELP)
    made.add_argument("source", metavar="NETWORK", nargs="?", help=SOURCE_HELP)
    made.add_argument("data", metavar="DATA", nargs="?", help=DATA_HELP)
    add_run_options(made, searches=False, trains=True)
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.train`."""
    if not hasattr(words, "source"):
        raise UsageError("chronas train needs a run or an architecture: chronas train runs/a photos --budget 20m, "
                         f"or chronas train {EXAMPLE} photos --budget 20m")  # fmt: skip
    given = run_words(parser(), words)
    idle = [group for group, values in given.options["settings"].items() if values and group not in ("recipe", "space")]
    if idle:
        raise UsageError(f"A training has a fixed architecture and takes recipe settings alone, not {', '.join(idle)}.")
    settings = given.options["settings"].get("space")
    found = find_source(words.source, settings)
    words.out = out = given.out or (found.train_folder if isinstance(found, RunFolder) else named_after(given.data))
    if isinstance(found, Architecture) and not getattr(given.shown, "quiet", False):
        tell_open(words.source, settings)
    from chronas import api

    return conduct(
        lambda listeners, stop: api.train(
            words.source, given.data, budget=given.budget, out=out,
            options=given.library_options(listeners, started, stop),
        ),
        out, given.shown, f"chronas train {words.source}, {given.budget}",
    )  # fmt: skip
