"""--prior PROXY: the search starts from scores of untrained networks."""

from __future__ import annotations

import dataclasses

from chronas.cli.options import RunWords
from chronas.cli.words import Parser
from chronas.errors import UsageError

SETTING = "prior_proxy"
DEFAULT = "nasib"
"""The method that --prior means where none is named."""


def add_prior(parser: Parser) -> None:
    """Add the option."""
    parser.option("--prior", metavar="PROXY",
                  help="start nasib from scores of untrained networks by PROXY; see: chronas list proxies")  # fmt: skip


def take_prior(given: RunWords) -> None:
    """Turn --prior, where it was given, into a setting of the method. Raises UsageError, UnknownNameError."""
    proxy = getattr(given.shown, "prior", None)
    if proxy is None:
        return
    from chronas.methods import METHODS
    from chronas.proxies import PROXIES

    PROXIES.entry(proxy)
    method = given.options.setdefault("method", DEFAULT)
    if SETTING not in {field.name for field in dataclasses.fields(METHODS.load(method).Settings)}:
        raise UsageError(f"--prior goes with --method {DEFAULT}; {method!r} has no prior to start from.")
    groups = given.options["settings"]
    groups["method"] = {**groups.get("method", {}), SETTING: proxy}
