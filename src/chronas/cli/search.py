"""chronas search: only search an architecture."""

from __future__ import annotations

from chronas.cli.config import merged
from chronas.cli.options import CONFIG_HELP, DATA_HELP, add_run_options, named_after, run_words
from chronas.cli.prior import add_prior, take_prior
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser, whole


def parser() -> Parser:
    """DATA --budget B and the options of a run."""
    made = Parser("search", "Search an architecture within the budget; train it later.", notes=CONFIG_HELP)
    made.add_argument("data", metavar="DATA", nargs="?", help=DATA_HELP)
    add_run_options(made, searches=True, trains=False)
    add_prior(made)
    made.option("--samples", metavar="N", type=whole,
                help="networks that --method naswot draws; needs no --budget then")  # fmt: skip
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.search`."""
    samples = getattr(merged(parser(), words), "samples", None)
    # A search of so many networks needs no budget; one that is given, here or in --config, bounds it.
    given = run_words(parser(), words, **({} if samples is None else {"budget": f"{samples} evaluations"}))
    if samples is not None:
        groups = given.options["settings"]
        groups["method"] = {**groups.get("method", {}), "samples": samples}
    take_prior(given)
    words.out = out = given.out or named_after(given.data)
    from chronas import api

    return conduct(
        lambda listeners, stop: api.search(
            given.data, budget=given.budget, out=out, options=given.library_options(listeners, started, stop)
        ),
        out, given.shown, f"chronas search {given.data}, {given.budget}",
    )  # fmt: skip
