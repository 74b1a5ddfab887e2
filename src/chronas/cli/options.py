"""The words that fit, search and train share, and how they become a library call."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronas.budget import Budget
from chronas.cli.config import merged
from chronas.cli.words import Namespace, Parser, count, decimal, one_of, whole
from chronas.data.options import FITS, MIRRORS, NAMES, DataOptions
from chronas.errors import UnknownNameError, UsageError
from chronas.spec import BASELINES, USUAL_METHOD, USUAL_RECIPE, USUAL_SPACE

if TYPE_CHECKING:
    from chronas.api import Options
    from chronas.driver import Listener
    from chronas.execution.interrupt import StopFlag

DATA_HELP = "a folder of class folders, Parquet, CIFAR batches, IDX, .npz, or the word digits; see: chronas list data"
PASSED_ON = ("space", "method", "preset", "recipe", "seed", "device", "precision", "rival", "search_share",
             "max_params", "max_madds", *NAMES)  # fmt: skip
CONFIG_HELP = """\
--config reads the same words from YAML, for example

    budget: 20m
    out: runs/a
    settings: {recipe: {lr: 0.1}}

and the command line wins where both name a word."""


def add_run_options(parser: Parser, *, searches: bool, trains: bool) -> None:
    """Add what a run takes besides its data."""
    parser.option("--budget", metavar="B", help="90s, 20m, 1.5h, 2d, '50 epochs': the time you give, loading included")
    parser.option("--out", metavar="RUN", help="folder of the run, new (default: the next free one in runs/)")
    if searches:
        space, method = USUAL_SPACE, USUAL_METHOD
        if trains:
            space, method = f"fit chooses; with --method {space}", f"fit chooses; with --space {method}"
        parser.option("--space", metavar="S", help=f"search space (default: {space}); see: chronas list spaces")
        parser.option("--method", metavar="M", help=f"search method (default: {method}); see: chronas list methods")
        parser.option("--preset", metavar="P", help="named settings of the method; see: chronas list presets")
        parser.option("--max-params", metavar="N", type=count, help="most parameters of the network, e.g. 1M")
        parser.option("--max-flops", metavar="N", type=count, dest="max_madds",
                      help="most multiply-adds per image (what papers call FLOPs), e.g. 50M")  # fmt: skip
    parser.option(
        "--recipe", metavar="R", help=f"how a network is trained (default: {USUAL_RECIPE}); see: chronas list recipes"
    )
    parser.option("--set", metavar="G.K=V", action="append", help="one setting, e.g. recipe.lr=0.1 (repeatable)")
    parser.option("--config", metavar="FILE", help="YAML file with the same words; the command line wins")
    parser.option("--seed", metavar="N", type=whole, help="same seed, same result (default: 0)")
    parser.option("--device", metavar="D", help="auto, cpu, cuda, cuda:1 (default: auto)")
    parser.option("--precision", metavar="P", help="auto, float32, bfloat16 (default: auto)")
    if searches and trains:
        _comparison_options(parser)
    add_data_options(parser)
    add_output_options(parser)


def _comparison_options(parser: Parser) -> None:
    parser.option("--baseline", metavar="NAME", action="append", type=one_of("baseline", BASELINES),
                  help="also train this one, alike: random or plain (repeatable)")  # fmt: skip
    parser.option("--rival", action="store_true", help="afterwards train a hand-made network, for the same time again")
    parser.option("--search-share", metavar="X", type=decimal, help="part of the budget that the search gets")


def add_data_options(parser: Parser) -> None:
    """Add how images are read: an option for each word of `DataOptions`."""
    kinds: dict[str, dict[str, Any]] = {
        "whole": {"type": whole}, "decimal": {"type": decimal}, "text": {}, "flag": {"action": "store_true"},
        "fit": {"type": one_of("fit", FITS)}, "mirror": {"type": one_of("choice for mirror", MIRRORS)},
    }  # fmt: skip
    for field in dataclasses.fields(DataOptions):
        told = field.metadata
        if told["kind"] == "hidden":
            continue
        words = dict(kinds[told["kind"]])
        if told["metavar"]:
            words["metavar"] = told["metavar"]
        parser.option("--" + field.name.replace("_", "-"), help=told["help"], **words)


def add_output_options(parser: Parser) -> None:
    """Add what decides how the run is shown."""
    parser.option("--plain", action="store_true", help="plain lines instead of the live panel")
    parser.option("--quiet", action="store_true", help="no progress, only warnings and the closing table")
    parser.option("--tensorboard", action="store_true", help="also write TensorBoard events to RUN/events")


@dataclass(frozen=True)
class RunWords:
    """The checked words of a run. `shown` is the namespace with what decides how it is shown."""

    data: str
    budget: Budget
    out: Path | None
    options: dict[str, Any]
    shown: Namespace

    def library_options(self, listeners: list[Listener], started: float, stop: StopFlag) -> Options:
        """The words as the library takes them."""
        from chronas.api import Options

        return Options(**self.options, listeners=listeners, started=started, stop=stop)


def run_words(parser: Parser, given: Namespace, **defaults: Any) -> RunWords:
    """Merge the configuration file in and check every word that needs no data; raises UsageError."""
    words = Namespace(**{**defaults, **vars(merged(parser, given))})
    for name, what in (("data", "DATA, the images"), ("budget", "--budget, the time that you give")):
        if not hasattr(words, name):
            first = "runs/a " if parser.verb == "train" else ""
            raise UsageError(
                f"chronas {parser.verb} needs {what}, for example: chronas {parser.verb} {first}photos --budget 20m"
            )
    options = {name: getattr(words, name) for name in PASSED_ON if hasattr(words, name)}
    options["baselines"] = tuple(dict.fromkeys(getattr(words, "baseline", ())))
    options["settings"] = words.settings
    _check_names(options)
    out = Path(words.out).expanduser() if hasattr(words, "out") else None
    return RunWords(words.data, Budget.parse(words.budget), out, options, words)


def _check_names(options: dict[str, Any]) -> None:
    """Misspelt names are told at once, not after the data has been read."""
    from chronas.methods import METHODS
    from chronas.spaces import SPACES
    from chronas.spec import check_groups
    from chronas.training.recipes import RECIPES

    for registry, name in ((SPACES, options.get("space")), (METHODS, options.get("method"))):
        if name is not None:
            registry.entry(name)
    if options.get("recipe") is not None and options["recipe"] not in RECIPES:
        raise UnknownNameError("recipe", options["recipe"], RECIPES)
    check_groups(options["settings"])


def next_free(stem: str, folder: Path = Path("runs")) -> Path:
    """The first of folder/stem-1, folder/stem-2, ... that does not exist."""
    clean = re.sub(r"[^A-Za-z0-9_.]+", "-", stem).strip("-.") or "run"
    number = 1
    while (folder / f"{clean}-{number}").exists():
        number += 1
    return folder / f"{clean}-{number}"


def named_after(data: str) -> Path:
    """Where a run on `data` goes when --out is not given."""
    return next_free(Path(data).expanduser().resolve().stem if data != "digits" else data)
