"""chronas demo: the whole job on handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chronas.cli.options import add_output_options, next_free
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser, whole

if TYPE_CHECKING:
    from chronas.driver import Listener

DATA = "digits"
BUDGET = "84s"
SEARCH_SHARE = 60 / 84
SPACE = {"layers": 6, "width": 16, "m": 5}
BASELINES = ("random", "plain")
RIVAL = True
INTRODUCTION = """\
1,797 real images of handwritten digits, 8 x 8 pixels. Chronas searches a network, trains it, and trains
beside it a random network and a plain one for as long. Then a hand-made network gets the whole time."""


def parser() -> Parser:
    """[--out DIR] [--seed N]."""
    made = Parser("demo", "The whole job on bundled real data, a few minutes on a laptop.", notes=INTRODUCTION)
    made.option("--out", metavar="RUN", help="folder of the run, new (default: the next free runs/demo-N)")
    made.option("--seed", metavar="N", type=whole, help="same seed, same search (default: 0)")
    add_output_options(made)
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.fit` with the demo's numbers."""
    words.out = out = Path(words.out).expanduser() if hasattr(words, "out") else next_free("demo")
    if not hasattr(words, "quiet"):
        print(INTRODUCTION + "\n", flush=True)
    from chronas import api

    def call(listeners: list[Listener]) -> api.RunResult:
        options = api.Options(
            settings={"space": SPACE}, seed=getattr(words, "seed", 0), baselines=BASELINES, rival=RIVAL,
            search_share=SEARCH_SHARE, listeners=listeners, started=started,
        )  # fmt: skip
        return api.fit(DATA, budget=BUDGET, out=out, options=options)

    return conduct(call, out, words, "chronas demo")
