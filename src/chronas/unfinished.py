"""What a run that is stopped leaves to use: the best weights so far, as a model that says it is unfinished."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from chronas import nets
from chronas.account import Account
from chronas.architecture import Architecture
from chronas.context import Context
from chronas.deploy.bundle import MODEL, save_bundle
from chronas.errors import EnvironmentFault, TrainingError
from chronas.spaces import Space
from chronas.training.judge import Judgement, judge
from chronas.training.network import metrics_of
from chronas.training.unfinished import Unfinished, better

KEEPING_SECONDS = 6.0
"""What someone who asks to stop waits for at most, besides the snapshot and the report."""
JUDGING_SECONDS = 1.2
"""Of them for judging one network on validation images."""
ANNEALING_SECONDS, ANNEALING_SHARE = 2.0, 0.25
"""For bringing the learning rate to its end: at most so many seconds, and so much of what it was trained for.

On 5,000 images of CIFAR-10 and 40 s of training this is worth 16 points of test accuracy after a quarter of it, 8 after
the half, 3 after three quarters; renewed batch norms alone 10, 7 and 2 (benchmarks/results/interrupted.md).
"""


@dataclass(frozen=True)
class _Judged:
    """A network with what is known of it; `metrics` has no val_accuracy where there was no time to judge."""

    one: Unfinished
    net: nn.Module
    metrics: Mapping[str, float]
    annealed: bool = False


class Keeper:
    """Writes the model of an interrupted run, and the entry "unfinished" of its result.

    What the search of a `fit` trained stays at hand (`carry`) while the found network is new and worth less.
    """

    def __init__(self, context: Context, account: Account) -> None:
        self.context, self.account = context, account
        self._carried: Sequence[Unfinished] = ()
        self._renewed: set[int] = set()

    def carry(self, networks: Sequence[Unfinished]) -> None:
        """Keep `networks` at hand for a later stage of this process."""
        self._carried = tuple(networks)

    def keep(self, stage: str, space: Space, networks: Sequence[Unfinished]) -> None:
        """Write the best of `networks` and of those at hand as the run's model; the first one is in training now.

        Something lies there at once; only then comes what takes time. To be called after the last snapshot: the
        training does not go on in this process. A better model of an earlier interruption stays.
        """
        candidates = [*networks, *self._carried]
        if not candidates:
            return
        try:
            self._keep(stage, space, candidates)
        except (TrainingError, EnvironmentFault) as failure:
            # The snapshot is written: a model less is no reason to call the run a failure.
            self.context.record({"kind": "note", "stage": stage, "level": "warning", "message": str(failure)})

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
                self._renew(known)
            self._write(stage, space, _Judged(known, known.net, known.metrics))
        best = self._best(candidates, until)
        if held is None or better(best.metrics, _metrics(held)):
            self._write(stage, space, best)

    def _best(self, candidates: Sequence[Unfinished], until: float) -> _Judged:
        """The best of `candidates` as they are, and of the first one with its learning rate brought to its end."""
        for one in candidates:
            if self.context.clock() < until:
                self._renew(one)
        found = [_Judged(one, one.net, one.metrics or self._judge(one.net, until)) for one in candidates]
        first = candidates[0]
        room = until - self.context.clock() - JUDGING_SECONDS
        seconds = min(ANNEALING_SECONDS, ANNEALING_SHARE * first.seconds, room)
        if first.schedule is not None and seconds > 0:
            made = first.schedule.annealed(first.net, seconds)
            if made is not None:
                later = replace(first, seconds=first.seconds + seconds)
                found.append(_Judged(later, made, self._judge(made, until), annealed=True))
        best = found[0]
        for other in found[1:]:
            if better(other.metrics, best.metrics):
                best = other
        return best

    def _renew(self, one: Unfinished) -> None:
        """Let the batch norms of a network whose training is cut off judge whole images under its last weights."""
        if one.schedule is not None and id(one.net) not in self._renewed:
            one.schedule.renew_norms(one.net)
            self._renewed.add(id(one.net))

    def _judge(self, net: nn.Module, until: float) -> dict[str, float]:
        """`val_accuracy`, `val_loss` and the number of images looked at; empty where there is no time."""
        data, clock = self.context.data, self.context.clock
        end = min(until, clock() + JUDGING_SECONDS)
        if clock() >= end:
            return {}
        seen: Judgement = judge(net, data.val, mean=data.mean, std=data.std, classes=len(data.classes),
                                hardware=self.context.hardware, left=lambda: end - clock())  # fmt: skip
        return {**metrics_of(seen), "val_images": float(seen.images)}

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


def _metrics(entry: Mapping[str, object]) -> dict[str, float]:
    accuracy = entry.get("val_accuracy")
    return {"val_accuracy": float(accuracy)} if isinstance(accuracy, int | float) else {}
