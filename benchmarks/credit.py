"""How well two ways of giving credit repeat themselves, at equal processor time, in one supernet.

`paired`: half the difference of the gradients of two options' weights (NASIB's default rule, one backward pass
compares a pair in every layer). `losses`: held-out losses of whole random paths, two on each batch, and a linear
regression on the options that they run. Each is measured twice on other batches; the correlation of the two
halves over all options in play says how much of it is noise, and `agree` whether both mean the same thing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from chronas import nets
from chronas.architecture import make_space
from chronas.budget import Budget, Ledger
from chronas.data.load import load
from chronas.methods.nasib import Nasib, NasibSettings
from chronas.methods.nasib_fair import FairRule
from chronas.nets.mix import one_hot
from chronas.seeding import stream, torch_scope
from chronas.training.hardware import Hardware
from chronas.training.network import plan
from chronas.training.recipes import RECIPES
from chronas.training.supernet import Slice, SupernetSettings, SupernetTrainer
from common import CIFAR10, Record, mean, parser, table, until_out_of_time

Floats = npt.NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("credit", "Split-half correlation of paired-gradient credit and of path losses.")
    made.add_argument("--epochs", type=float, default=6.0, help="supernet training before credit is measured")
    made.add_argument("--cpu-seconds", type=float, default=10.0, help="processor time of one measurement of one kind")
    made.add_argument("--images", type=int, default=10_000)
    words = made.parse_args(argv)
    if words.small:
        words.epochs, words.cpu_seconds = 0.2, 0.5
    setting = {"epochs": words.epochs, "cpu_seconds": words.cpu_seconds, "images": words.images}
    record = Record.open(words, setting, argv)
    with until_out_of_time() as finished:
        for seed in words.seeds or ((0,) if words.small else (0, 1, 2)):
            record.piece(f"seed {seed}", partial(_measure, seed, words), seed)
    rows = [[k, *(f"{p[n]:.2f}" for n in ("paired", "losses", "agree"))] for k, p in record.pieces("seed").items()]
    rows.append(
        [
            "mean",
            *(f"{mean([p[n] for p in record.pieces('seed').values()]):.2f}" for n in ("paired", "losses", "agree")),
        ]
    )
    record.close(
        "Credit that repeats itself",
        [table(["supernet", "paired gradients", "path losses", "agree"], rows)],
        finished[0],
    )
    return 0


def _measure(seed: int, words: Any) -> dict[str, Any]:
    source: Any = "digits" if words.small else CIFAR10
    data = load(source, seed=seed, limit=None if words.small else words.images)
    space = make_space(
        "superkernel", {"layers": 6, "width": 16, "m": 5} if not words.small else {"layers": 2, "width": 4, "m": 3}
    )
    # warm close to 1: the field is settled and never narrowed, so that all of it is trained equally.
    method = Nasib(space, NasibSettings(shortlist=0, warm=0.99, architecture_steps=0.01, visits=100.0), seed)
    with torch_scope(seed, "init"):
        net = nets.build_supernet(space, data.task)
    trainer = SupernetTrainer(net, method, data, plan(data, RECIPES["fast"]), SupernetSettings(), Hardware.find(), seed)
    ledger = Ledger(Budget(words.epochs, "epochs"))
    while not ledger.exhausted:
        trainer.advance(ledger, Slice(steps=50))
    assert isinstance(method.rule, FairRule)
    play = method.rule.play
    halves = [[kind(trainer, play, stream(seed, name, half), words.cpu_seconds) for half in range(2)]
              for name, kind in (("paired", _paired), ("losses", _losses))]  # fmt: skip
    agree = _correlation(sum(halves[0]), sum(halves[1]))  # type: ignore[arg-type]
    return {"paired": _correlation(*halves[0]), "losses": _correlation(*halves[1]), "agree": agree,
            "options_in_play": len(play[0])}  # fmt: skip


def _correlation(first: Floats, second: Floats) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def _batches(trainer: SupernetTrainer, rng: np.random.Generator, seconds: float) -> Any:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        yield trainer.held_out.batch(int(rng.integers(1_000_000)))


def _paired(trainer: SupernetTrainer, play: list[list[int]], rng: np.random.Generator, seconds: float) -> Floats:
    rule = FairRule(
        [np.zeros(len(d.options)) for d in trainer.method.space.decisions], NasibSettings(memory=1e9, warm=0.0), 0
    )
    rule.play, rule.field = play, len(play[0])
    for images, labels in _batches(trainer, rng, seconds):
        mix = rule.architecture_mix(rng, 0.5)
        with trainer.hardware.autocast():
            loss = F.cross_entropy(trainer.net(images, mix), labels)
        rule.update(loss, mix, 0.5)
    rule.alphas()
    return np.concatenate(
        [_centred((c / np.maximum(w, 1))[p]) for c, w, p in zip(rule.credit, rule.weight, play, strict=True)]
    )


@torch.no_grad()
def _losses(trainer: SupernetTrainer, play: list[list[int]], rng: np.random.Generator, seconds: float) -> Floats:
    size = sum(len(p) for p in play)
    starts = np.cumsum([0, *(len(p) for p in play[:-1])])
    rows, targets = [], []
    for images, labels in _batches(trainer, rng, seconds):
        pair = []
        for _ in range(2):
            picks = [int(rng.integers(len(p))) for p in play]
            with trainer.hardware.autocast():
                logits = trainer.net(images, one_hot(tuple(p[i] for p, i in zip(play, picks, strict=True))))
                pair.append((np.bincount(starts + picks, minlength=size), float(F.cross_entropy(logits, labels))))
        rows.append((pair[0][0] - pair[1][0]) / 2)
        targets.append((pair[0][1] - pair[1][1]) / 2)
    design = np.array(rows, dtype=float)
    effects = np.linalg.solve(design.T @ design + 0.5 * np.eye(size), design.T @ np.array(targets))
    return np.concatenate([_centred(-effects[s : s + len(p)]) for s, p in zip(starts, play, strict=True)])


def _centred(values: Floats) -> Floats:
    return np.asarray(values - values.mean())


if __name__ == "__main__":
    sys.exit(main())
