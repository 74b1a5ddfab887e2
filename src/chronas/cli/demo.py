"""chronas demo: the whole job on handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path

from chronas.cli.options import add_output_options, next_free
from chronas.cli.run import conduct
from chronas.cli.words import Namespace, Parser, whole

INTRODUCTION = """\
1,797 real images of handwritten digits, 8 x 8 pixels. Chronas searches a network, trains it, and trains
beside it a random network and a plain one alike. Then a hand-made network gets the time that the
search and the training of its network took together."""


def parser() -> Parser:
    """[--out DIR] [--seed N]."""
    made = Parser("demo", "The whole job on bundled real data, a few minutes on a laptop.", notes=INTRODUCTION)
    made.option("--out", metavar="RUN", help="folder of the run, new (default: the next free runs/demo-N)")
    made.option("--seed", metavar="N", type=whole, help="same seed, same search (default: 0)")
    add_output_options(made)
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.api.demo`."""
    words.out = out = Path(words.out).expanduser() if hasattr(words, "out") else next_free("demo")
    if not hasattr(words, "quiet"):
        print(INTRODUCTION + "\n", flush=True)
    from chronas import api

    return conduct(
        lambda listeners, stop: api.demo(
            out, seed=getattr(words, "seed", 0), listeners=listeners, started=started, stop=stop
        ),
        out, words, "chronas demo",
    )  # fmt: skip
