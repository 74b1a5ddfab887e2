"""chronas fit: search, train, test and report within one budget."""

from __future__ import annotations

from chronas.cli.options import CONFIG_HELP, DATA_HELP, add_run_options, named_after, run_words
from chronas.cli.prior import add_prior, take_prior
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser


def parser() -> Parser:
    """DATA --budget B and the options of a run."""
    made = Parser("fit", "Search, train, test and report, in the time that you give altogether.", notes=CONFIG_HELP)
    made.add_argument("data", metavar="DATA", nargs="?", help=DATA_HELP)
    add_run_options(made, searches=True, trains=True)
    add_prior(made)
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.fit`."""
    given = run_words(parser(), words)
    take_prior(given)
    words.out = out = given.out or named_after(given.data)
    from chronas import api

    return conduct(
        lambda listeners, stop: api.fit(
            given.data, budget=given.budget, out=out, options=given.library_options(listeners, started, stop)
        ),
        out, given.shown, f"chronas fit {given.data}, {given.budget}",
    )  # fmt: skip
