"""Figure 6: the score of ten good networks of NAS-Bench-201 while they are trained.

Plain SGD with momentum and a cosine, as the benchmark trains, on a part of CIFAR-10. A training that is cut off goes
on at its last whole epoch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pictures import COLOURS, Axes, page
from untrained import HERE, Figure, Scorer, final, tau

from chronas.seeding import stream
from common import RESULTS, Record, plus_minus, say, table, tiny_data

if TYPE_CHECKING:
    from chronas.budget import Ledger
    from chronas.data.images import ImageData

TABLE = "nasbench201"
FINE = 2
"""Epochs in which the score is taken PARTS times each."""
PARTS = 4
WIDE, HIGH = 460.0, 330.0


def _measure(scorer: Scorer) -> None:
    for seed in scorer.words.seeds or (0,):
        chosen = scorer.record.piece(f"seed={seed} networks", partial(_networks, scorer, seed), seed)
        data: list[ImageData] = []
        for row in chosen["rows"]:
            key = f"seed={seed} row {row}"
            if key not in scorer.record.content["pieces"]:
                data = data or [_data(scorer)]
                scorer.record.piece(key, partial(_Training(scorer, row, seed, data[0]).run), seed)


def _networks(scorer: Scorer, seed: int) -> dict[str, Any]:
    """Rows of the table above an accuracy, drawn by the seed."""
    opened = scorer.tables[TABLE]
    accuracy, which = final(opened, "cifar10")
    good = np.flatnonzero(accuracy > scorer.words.above)
    rows = stream(seed, "reproduce", "training").permutation(good)[: scorer.words.networks].tolist()
    return {"rows": rows, "accuracy": [round(float(accuracy[row]), 3) for row in rows], "metric": which,
            "notation": [opened.notation(row) for row in rows]}  # fmt: skip


def _data(scorer: Scorer) -> ImageData:
    from chronas.data.load import load as load_data

    small = scorer.words.small
    data = load_data(
        tiny_data(scorer.record) if small else scorer.words.data, limit=None if small else scorer.words.limit
    )
    return data.to(scorer.hardware.device) if scorer.hardware.kind == "cuda" else data


class _Training:
    """One network: its training, and the score at some of its steps."""

    def __init__(self, scorer: Scorer, row: int, seed: int, data: ImageData) -> None:
        from chronas.training.network import Looks, NetworkTrainer
        from chronas.training.recipes import Recipe
        from chronas.training.scores import proxy_batch

        opened, words = scorer.tables[TABLE], scorer.words
        recipe = Recipe(name="benchmark", lr=words.lr, schedule="cosine", label_smoothing=0.0)
        net = scorer.net(scorer.space(opened), opened.choices(row), seed)
        self.scorer, self.row, self.epochs = scorer, row, words.epochs
        self.trainer = NetworkTrainer(net, data, recipe, scorer.hardware, seed, looks=Looks(0))
        self.batch = proxy_batch(data, scorer.hardware, seed, words.batch_size)
        self.file = _state_folder(words) / f"seed-{seed}-row-{row}.safetensors"
        self.curve: list[list[float]] = []

    def run(self) -> dict[str, Any]:
        """Train to the end; raises OutOfTime at the end of an epoch, with the state written."""
        ledger, length = self._begin(), len(self.trainer.train)
        while self.trainer.steps < round(self.epochs * length):
            done = self.trainer.steps / length
            parts = PARTS if done < FINE else 1
            # The next whole part of an epoch; an epoch may have fewer steps than parts.
            ends = (round(length * part / parts) for part in count(int(done * parts) + 1))
            self.trainer.slice_steps = next(end for end in ends if end > self.trainer.steps) - self.trainer.steps
            metrics = self.trainer.advance(ledger)
            self._note((metrics or {}).get("train_loss", math.nan))
            if int(self.trainer.steps / length) > int(done):
                self._save()
                self.scorer.record.check_time()
        found = self.trainer.validate()
        self.file.unlink(missing_ok=True)
        return {"row": self.row, "curve": self.curve, **{name: round(value, 4) for name, value in found.items()}}

    def _begin(self) -> Ledger:
        from chronas.budget import Budget, Ledger

        ledger = Ledger(Budget(self.epochs, "epochs"))
        if self.file.exists():
            self._restore()
            ledger.charge(steps=self.trainer.steps, epochs=self.trainer.steps / len(self.trainer.train))
        else:
            self._note(math.nan)
        return ledger

    def _note(self, loss: float) -> None:
        score = self.scorer.score("naswot", self.trainer.net, self.batch)
        epoch = self.trainer.steps / len(self.trainer.train)
        if math.isfinite(score):
            self.curve.append([round(epoch, 4), round(score, 4), round(loss, 4) if math.isfinite(loss) else -1.0])

    def _save(self) -> None:
        from safetensors.torch import save_file

        from chronas.runs.packing import pack

        data, tensors = pack({"trainer": self.trainer.state(), "curve": self.curve})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        save_file(tensors, fresh, metadata={"state": json.dumps(data)})
        os.replace(fresh, self.file)

    def _restore(self) -> None:
        from safetensors import safe_open
        from safetensors.torch import load_file

        from chronas.runs.packing import unpack

        with safe_open(self.file, "pt") as opened:
            data = json.loads(opened.metadata()["state"])
        state = unpack(data, load_file(self.file, device=self.scorer.hardware.device))
        self.trainer.load(state["trainer"])
        self.curve = state["curve"]
        say(f"row {self.row} goes on at epoch {self.trainer.steps / len(self.trainer.train):.1f}")


def _state_folder(words: argparse.Namespace) -> Path:
    """Where unfinished trainings are kept: never beside results that are committed."""
    base = RESULTS if Path(words.out).resolve() == HERE else Path(words.out)
    return base / "runs" / str(words.name)


# -- reading the record --------------------------------------------------------------------------------------


def _trained(record: Record) -> list[tuple[float, dict[str, Any]]]:
    """Published accuracy and piece of every network that is trained, of the first seed, the best first."""
    seed = min(record.content["seeds"], default=0)
    pieces = record.content["pieces"]
    chosen = pieces.get(f"seed={seed} networks", {"rows": [], "accuracy": []})
    found = [(accuracy, pieces[f"seed={seed} row {row}"]) for row, accuracy in
             zip(chosen["rows"], chosen["accuracy"], strict=True) if f"seed={seed} row {row}" in pieces]  # fmt: skip
    return sorted(found, key=lambda pair: -pair[0])


def _draw(record: Record) -> str:
    parts = []
    for place, (title, most) in enumerate((("the first epochs", float(FINE)), ("the whole training", math.inf))):
        curves = [[(e, s) for e, s, _ in piece["curve"] if e <= most + 1e-6] for _, piece in _trained(record)]
        everything = [point for curve in curves for point in curve]
        axes = Axes.around((place * WIDE, 34, WIDE, HIGH), [e for e, _ in everything], [s for _, s in everything])
        parts.append(axes.frame(title, "epochs of training", "score"))
        parts += [axes.line(curve, COLOURS[number % len(COLOURS)]) for number, curve in enumerate(curves)]
    return page("The score during training: good networks of NAS-Bench-201", 2 * WIDE, HIGH + 40, parts)


def _blocks(record: Record) -> list[str]:
    trained = [(accuracy, piece) for accuracy, piece in _trained(record) if piece["curve"]]
    lines = []
    for accuracy, piece in trained:
        scores = [score for _, score, _ in piece["curve"]]
        shown = [accuracy, scores[0], _at(piece, 1.0), scores[-1], piece["val_accuracy"]]
        lines.append([piece["row"], *(f"{value:.2f}" for value in shown)])
    start, end = ([piece["curve"][place][1] for _, piece in trained] for place in (0, -1))
    early = [_at(piece, 1.0) for _, piece in trained]
    published, own = [accuracy for accuracy, _ in trained], [piece["val_accuracy"] for _, piece in trained]
    aims = {
        "tau of the scores before and after training": tau(start, end),
        "tau of the scores after one epoch and after training": tau(early, end),
        "tau of the score before training with the published accuracy": tau(start, published),
        "tau of the score after training with the published accuracy": tau(end, published),
        "tau of the score after training with the accuracy of this training": tau(end, own),
    }
    known = {name: round(value, 4) for name, value in aims.items() if math.isfinite(value)}
    record.content["summary"] = known
    rise = plus_minus([b - a for a, b in zip(start, end, strict=True)])
    head = ("row", "published accuracy, %", "score, untrained", "after 1 epoch", "at the end", "own accuracy, %")
    rises = f"From before to after training the score changes by {rise}."
    own_words = "Own accuracy: on held-out images of the part of CIFAR-10 that is trained on."
    taus = "\n".join(f"- {name}: {value:.3f}" for name, value in known.items())
    return [table(head, lines), taus, f"{rises} {own_words}"]


def _at(piece: dict[str, Any], epoch: float) -> float:
    """The score at the noted place nearest to `epoch`."""
    return float(min(piece["curve"], key=lambda entry: abs(entry[0] - epoch))[1])


def _words(made: argparse.ArgumentParser) -> None:
    made.add_argument("--epochs", type=float, default=10.0)
    made.add_argument("--limit", type=int, default=2500, help="training images, held-out ones included")
    made.add_argument("--above", type=float, default=90.0, help="least accuracy of the networks, %%")
    made.add_argument("--lr", type=float, default=0.05, help="first learning rate for a batch of 128")


FIGURE = Figure(
    title="Figure 6: the score during training",
    summary="The score of good networks while they are trained.",
    networks=10, measure=_measure, draw=_draw, blocks=_blocks, words=_words, setting=("epochs", "limit", "above", "lr"),
    small={"networks": 2, "batch_size": 6, "epochs": 1.0},
)  # fmt: skip
