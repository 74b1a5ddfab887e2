"""chronas resume: go on with a run that was stopped or killed."""

from __future__ import annotations

from pathlib import Path

from chronas.cli.options import DATA_HELP, add_output_options
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser
from chronas.runs.folder import RunFolder


def parser() -> Parser:
    """RUN [--data DATA]."""
    made = Parser("resume", "Go on with a run that was stopped or killed, exactly where it was.")
    made.add_argument("run", metavar="RUN", help="the run's folder")
    made.option("--data", metavar="DATA", help=f"where the data is now, if it was moved: {DATA_HELP}")
    add_output_options(made)
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.resume`."""
    folder = RunFolder.open(Path(words.run).expanduser()).unfinished()
    words.run = out = folder.path
    from chronas import api

    data = getattr(words, "data", None)
    return conduct(
        lambda listeners, stop: api.resume(out, data=data, listeners=listeners, started=started, stop=stop),
        out, words, f"chronas resume {out}",
    )  # fmt: skip
