"""What a run that is stopped leaves to use: the best weights so far, as a model that says it is unfinished."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from chronas import nets
from chronas.account import Account
from chronas.architecture import Architecture
from chronas.context import Context
from chronas.deploy.bundle import MODEL, save_bundle
from chronas.errors import ChronasError
from chronas.spaces import Space
from chronas.training.judge import LEAST_CHUNK, chunk_size, judge
from chronas.training.network import metrics_of
from chronas.training.unfinished import NORM_SECONDS, Unfinished, better

FAILURES = (ChronasError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError,
            RuntimeError, TypeError, ValueError)  # fmt: skip
"""What may go wrong where networks, registered ones too, are built, judged and trained on, and files are written."""

Networks = Callable[[], Sequence[Unfinished]]
"""Gives what has been trained; asked only when it is wanted."""

KEEPING_SECONDS = 6.0
"""What someone who asks to stop waits for at most, besides the snapshot and the report."""
JUDGING_SECONDS = 1.2
"""Of them for judging one network on validation images."""
ANNEALING_SECONDS, ANNEALING_SHARE = 2.0, 0.25
"""For bringing the learning rate to its end: at most so many seconds, and so much of what it was trained for.

On 5,000 images of CIFAR-10 and 40 s of training this is worth 13 points of test accuracy after a quarter of it, 11
after the half, 1.5 after three quarters; renewed batch norms alone 7, 7 and 1 (benchmarks/results/interrupted.md).
"""


@dataclass(frozen=True)
class _Judged:
    """A network with what is known of it; `metrics` has no val_accuracy where there was no time to judge."""

    one: Unfinished
    net: nn.Module
    metrics: Mapping[str, float]
    annealed: bool = False


class Keeper:
    """Writes the model of a run that is cut off, and the entry "unfinished" of its result.

    What the search of a `fit` trained stays at hand (`carry`) while the found network is new and worth less.
    """

    def __init__(self, context: Context, account: Account) -> None:
        self.context, self.account = context, account
        self._at_work: tuple[str, Space, Networks] | None = None
        self._carried: Networks = tuple
        self._renewed: set[int] = set()

    def begin(self, stage: str, space: Space, networks: Networks) -> None:
        """A stage begins: it is asked for its `networks`, the one in training first, where the run is cut off."""
        if self._at_work is not None:
            self._carried = self._at_work[2]
        self._at_work = stage, space, networks

    def carry(self, networks: Networks) -> None:
        """The stage has ended: `networks`, which does not change any more, stays at hand for the next one."""
        if self._at_work is not None:
            self._at_work = *self._at_work[:2], networks

    def end(self) -> None:
        """Nothing is to be kept any more: there is a finished model, or there is to be none."""
        self._at_work, self._carried = None, tuple

    def keep(self) -> None:
        """Write the best network of the stage at work, and of what is at hand, as the run's model.

        Something lies there at once; only then comes what takes time. To be called after the last snapshot: the
        training does not go on in this process. A better model of an earlier interruption stays. Whatever goes wrong
        becomes a note: a model less is no reason to call the run a failure.
        """
        if self._at_work is None:
            return
        (stage, space, networks), carried, what = self._at_work, self._carried, "What was trained could not be kept"
        self.end()
        candidates: list[Unfinished] = []
        for source in (networks, carried):
            with self._noted(stage, what):
                candidates += [one for one in source() if _finite(one.net)]
        with self._noted(stage, what):
            if candidates:
                self._keep(stage, space, candidates)

    @contextlib.contextmanager
    def _noted(self, stage: str, what: str) -> Iterator[None]:
        """Make a note of any failure in the block, and go on."""
        try:
            yield
        except FAILURES as failure:
            # The snapshot is written, and the run must end as it was to end.
            message = f"{what}: {str(failure) or type(failure).__name__}"
            self.context.record({"kind": "note", "stage": stage, "level": "warning", "message": message})

    def _keep(self, stage: str, space: Space, candidates: Sequence[Unfinished]) -> None:
        until = self.context.clock() + KEEPING_SECONDS
        budget = self.context.spec.budget
        if budget.unit == "seconds":
            until = min(until, budget.amount - self.account.report_seconds - self.account.exit_seconds)
        held = self.account.result.get("unfinished")
        if not (self.context.folder.model_folder / f"{MODEL}.json").exists():
            held = None
        if held is None:
            known = next((one for one in candidates if one.metrics), candidates[0])
            if known.schedule is not None and known.schedule.stale_norms:
                self._renew(known, until)
            self._write(stage, space, _Judged(known, known.net, known.metrics))
        best = self._best(stage, candidates, until)
        if held is None or self._replaces(best, held):
            self._write(stage, space, best)

    def _best(self, stage: str, candidates: Sequence[Unfinished], until: float) -> _Judged:
        """The best of `candidates` as they are, and of the first one with its learning rate brought to its end."""
        for one in candidates:
            self._renew(one, until)
        found = [_Judged(one, one.net, one.metrics or self._judge(one, one.net, until)) for one in candidates]
        with self._noted(stage, "The learning rate could not be brought to its end"):
            found += self._annealed(candidates[0], until)
        best = found[0]
        for other in found[1:]:
            if better(other.metrics, best.metrics):
                best = other
        return best

    def _annealed(self, one: Unfinished, until: float) -> list[_Judged]:
        """`one` with its learning rate brought to its end; nothing where there is no time."""
        room = until - self.context.clock() - JUDGING_SECONDS
        seconds = min(ANNEALING_SECONDS, ANNEALING_SHARE * one.seconds, room)
        made = one.schedule.annealed(one.net, seconds) if one.schedule is not None and seconds > 0 else None
        if made is None:
            return []
        longer = replace(one, seconds=one.seconds + seconds)
        return [_Judged(longer, made, self._judge(one, made, until), annealed=True)]

    def _replaces(self, best: _Judged, held: Mapping[str, Any]) -> bool:
        """Whether `best` is better than the model of an earlier interruption; trained longer where none was judged."""
        known = self._metrics(held)
        if not known and not best.metrics:
            return best.one.seconds > float(held["seconds"])
        return better(best.metrics, known)

    def _renew(self, one: Unfinished, until: float) -> None:
        """Let the batch norms of a network whose training is cut off judge whole images under its last weights."""
        left = until - self.context.clock()
        if one.schedule is None or id(one.net) in self._renewed or left <= 0:
            return
        if one.schedule.renew_norms(one.net, min(left, 2 * NORM_SECONDS)):
            self._renewed.add(id(one.net))

    def _judge(self, one: Unfinished, net: nn.Module, until: float) -> dict[str, float]:
        """`val_accuracy`, `val_loss`, and `val_images` where these were not all; empty where there is no time."""
        data, clock, hardware = self.context.data, self.context.clock, self.context.hardware
        end, size = min(until, clock() + JUDGING_SECONDS), chunk_size(data.val, self.context.hardware)
        price = 0.0 if one.schedule is None else one.schedule.image_seconds
        if price:
            # At least one batch is looked at.
            size = min(size, max(0, int((end - clock()) / price)))
        if clock() >= end or size < min(LEAST_CHUNK, len(data.val)):
            return {}
        seen = judge(net, data.val, mean=data.mean, std=data.std, classes=len(data.classes), hardware=hardware,
                     batch_size=size, left=lambda: end - clock())  # fmt: skip
        return metrics_of(seen) | ({} if seen.whole else {"val_images": float(seen.images)})

    def _write(self, stage: str, space: Space, judged: _Judged) -> None:
        context, one = self.context, judged.one
        data, architecture = context.data, Architecture(space, one.choices)
        cost = nets.cost(architecture, data.task)
        known = {k: v for k in ("val_accuracy",) if math.isfinite(v := judged.metrics.get(k, math.nan))}
        with context.stop.held():
            save_bundle(context.folder.model_folder, context.bundle(judged.net, architecture, known, finished=False))
        images = judged.metrics.get("val_images", len(data.val) if known else 0)
        self.account.result["unfinished"] = {
            "stage": stage, "architecture": architecture.to_json(), "notation": architecture.notation,
            "params": cost.params, "madds": cost.madds, "seconds": one.seconds, "epochs": one.epochs,
            "annealed": judged.annealed, "val_accuracy": known.get("val_accuracy"), "val_images": int(images),
        }  # fmt: skip

    def _metrics(self, entry: Mapping[str, Any]) -> dict[str, float]:
        """What the entry of an earlier interruption knows of its model, as of `_judge`."""
        accuracy, images = entry.get("val_accuracy"), entry.get("val_images")
        if not isinstance(accuracy, int | float):
            return {}
        partial = isinstance(images, int) and 0 < images < len(self.context.data.val)
        return {"val_accuracy": float(accuracy), **({"val_images": float(images)} if partial else {})}  # type: ignore[arg-type]


def _finite(net: nn.Module) -> bool:
    """Whether all weights are finite: those of a training that failed may not be."""
    return all(bool(torch.isfinite(weights).all()) for weights in net.parameters())
