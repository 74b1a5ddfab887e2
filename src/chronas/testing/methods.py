"""The contract of a search method, driven by a made-up executor that trains nothing.

An architecture's made-up accuracy (and score, and cost) is a pure function of its choices; an `Advance` runs the
hooks of a one-shot method on a tiny differentiable loss.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from chronas.errors import NothingEvaluatedError
from chronas.methods.base import Method
from chronas.methods.oneshot import OneShotMethod
from chronas.nets.mix import Mix
from chronas.runs.packing import pack, unpack
from chronas.seeding import derive
from chronas.spaces import Space
from chronas.testing.asserts import require
from chronas.work import Advance, Choices, Outcome, Work, work_to_json

MakeMethod = Callable[[Space, int], Method]
Faults = Literal["none", "errors", "nan", "all"]

ROUNDS = 40
STEPS = 5


@dataclass
class FakeRun:
    """A method, a made-up executor, and everything the method decided so far.

    rounds  pieces of work in the whole budget; progress is the share of them that is done
    faults  errors: every third evaluation fails; nan: every second has no number; all: every one fails
    """

    method: Method
    rounds: int = ROUNDS
    faults: Faults = "none"
    done: int = 0
    index: int = 0
    trace: list[Any] = field(default_factory=list)
    finite: set[Choices] = field(default_factory=set)
    judged: set[Choices] = field(default_factory=set)

    @property
    def progress(self) -> float:
        return min(1.0, self.done / self.rounds)

    def until(self, rounds: int) -> FakeRun:
        """Go on until so many pieces of work are done, or the method asks for nothing more."""
        while self.done < min(rounds, self.rounds) and self.ask(1):
            pass
        return self

    def ask(self, count: int) -> Sequence[Work]:
        """Ask for `count` pieces of work, do them, and tell in the order asked."""
        work = self.method.ask(count, self.progress)
        require(len(work) <= count, f"Asked for at most {count} pieces of work, the method gave {len(work)}.")
        for piece in work:
            self.tell(piece)
        return work

    def tell(self, piece: Work) -> None:
        """Do one piece of work and tell the method."""
        outcome = self._run(piece)
        self.done += 1
        self.method.tell(outcome, self.progress)
        best = best_of(self.method)
        if best is not None and tuple(best) in self.judged and self.finite:
            require(tuple(best) in self.finite, f"{best} has no finite accuracy, but is called the best.")
        self.trace.append([work_to_json(piece), best])

    def _run(self, work: Work) -> Outcome:
        if isinstance(work, Advance):
            return Outcome(work, self._advance(), {"steps": float(STEPS)})
        self.method.space.check(work.choices)
        require(
            0 <= work.fidelity.share <= 1,
            f"An evaluation may use a share in [0, 1], not {work.fidelity.share}.",
        )
        if self.faults == "all" or (self.faults == "errors" and self.done % 3 == 0):
            return Outcome(work, {}, {"evaluations": 1.0}, "RuntimeError: made up")
        self.judged.add(work.choices)
        accuracy = math.nan if self.faults == "nan" and self.done % 2 == 0 else made_up_accuracy(work.choices)
        if math.isfinite(accuracy):
            self.finite.add(work.choices)
        if work.fidelity.kind == "proxy":
            return Outcome(work, {"score": accuracy}, {"evaluations": 1.0})
        loss = math.nan if self.faults == "nan" else (100 - accuracy) / 50
        metrics = {"val_accuracy": accuracy, "val_loss": loss, **made_up_cost(work.choices)}
        return Outcome(work, metrics, {"evaluations": 1.0})

    def _advance(self) -> dict[str, float]:
        method = self.method
        require(isinstance(method, OneShotMethod), "Only a OneShotMethod may ask for supernet training.")
        assert isinstance(method, OneShotMethod)
        turns = method.alternation(3, 2)
        for _ in range(STEPS):
            turn, progress = turns.turn(self.index), (self.done + self.index % STEPS / STEPS) / self.rounds
            self.index += 1
            mix = method.weight_mix(progress) if turn == "weights" else method.architecture_mix(progress)
            check_mix(mix, method.space)
            self.trace.append([turn, [list(part.options) for part in mix]])
            if turn == "architecture":
                method.architecture_update(made_up_loss(mix), mix, progress)
        metrics = {"train_loss": 1.0, "train_accuracy": 50.0, **method.scalars()}
        require(all(map(math.isfinite, metrics.values())), f"Numbers that are not finite: {metrics}.")
        if self.faults == "nan":
            metrics["val_accuracy"] = metrics["val_loss"] = math.nan
        return metrics


def made_up_accuracy(choices: Choices) -> float:
    """Percent, from the choices alone."""
    return derive(0, "accuracy", *choices) % 10_000 / 100


def made_up_cost(choices: Choices) -> dict[str, float]:
    """Parameters and multiply-adds, from the choices alone."""
    return {"params": float(derive(0, "params", *choices) % 1000), "madds": float(derive(0, "madds", *choices) % 1000)}


def made_up_loss(mix: Mix) -> Tensor:
    """A loss in which each option has its own slope; differentiable where the mix has weights."""
    total = torch.ones((), requires_grad=True)
    for slot, part in enumerate(mix):
        slopes = torch.tensor([derive(0, "slope", slot, option) % 1000 / 1000 for option in part.options])
        total = total + (slopes * part.weights if part.weights is not None else slopes).sum()
    return total


def check_mix(mix: Mix, space: Space) -> None:
    """Raise AssertionError unless `mix` names different, known options of every slot and fitting weights."""
    require(len(mix) == len(space.decisions), f"A mix has {len(mix)} slots for {len(space.decisions)} decisions.")
    for part, decision in zip(mix, space.decisions, strict=True):
        options, where = part.options, f"in the mix of {decision.name!r}"
        require(len(options) > 0, f"No option {where}.")
        require(all(type(o) is int for o in options), f"Options {options} {where} must be plain ints.")
        require(len(set(options)) == len(options), f"An option twice {where}: {options}.")
        require(all(0 <= o < len(decision.options) for o in options), f"An unknown option {where}: {options}.")
        if part.weights is not None:
            require(
                tuple(part.weights.shape) == (len(options),),
                f"Weights of shape {tuple(part.weights.shape)} {where}.",
            )
            require(bool(part.weights.isfinite().all()), f"Weights that are not finite {where}.")


def best_of(method: Method) -> list[int] | None:
    """The legal best architecture, or None before there is one."""
    try:
        best = method.best()
    except NothingEvaluatedError:
        return None
    method.space.check(best)
    return list(best)


def trace(make_method: MakeMethod, space: Space, seed: int) -> list[Any]:
    """All that a method decides in one made-up run, as JSON-able data."""
    return FakeRun(make_method(space, seed)).until(ROUNDS).trace


def check_method(make_method: MakeMethod, space: Space, *, seed: int = 0) -> None:
    """Raise AssertionError where the method made by `make_method(space, seed)` breaks a rule.

    Legal asks of at most the wanted number, seeded decisions, failures and NaN survived, an exact resume at
    any point, a legal best or NothingEvaluatedError, no use of global random state.
    """
    before = _global_random()
    best_of(make_method(space, seed))
    whole = trace(make_method, space, seed)
    require(len(whole) > 0, "The method asked for nothing at all.")
    require(whole == trace(make_method, space, seed), "The same seed gave two different searches.")
    require(whole != trace(make_method, space, seed + 1), "Another seed gave the same search.")
    _check_batches(make_method, space, seed)
    _check_upcoming(make_method, space, seed)
    _check_faults(make_method, space, seed)
    for cut in (0, 1, 2, 3, 7, ROUNDS // 2, ROUNDS - 1):
        _check_resume(make_method, space, seed, cut, whole)
    require(_global_random() == before, "The method used global random state.")


def _check_batches(make_method: MakeMethod, space: Space, seed: int) -> None:
    """Several at once, told in reverse order."""
    run = FakeRun(make_method(space, seed))
    while run.done < ROUNDS:
        work = run.method.ask(3, run.progress)
        require(len(work) <= 3, f"Asked for at most 3 pieces of work, the method gave {len(work)}.")
        if not work:
            break
        for piece in reversed(work):
            run.tell(piece)
    run.method.inspect()


def _check_upcoming(make_method: MakeMethod, space: Space, seed: int) -> None:
    """What is promised is asked for next, and the promise changes nothing."""
    run = FakeRun(make_method(space, seed))
    while run.done < ROUNDS:
        before = _as_text(run.method)
        promised = list(run.method.upcoming(3))
        require(len(promised) <= 3, f"Of at most 3 pieces of work to come, the method named {len(promised)}.")
        require(before == _as_text(run.method), "Naming what is to come changed the method's state.")
        given: list[Work] = []
        while len(given) < max(1, len(promised)) and (asked := run.ask(1)):
            given += asked
        require(given[: len(promised)] == promised, f"Promised {promised}, the method then asked for {given}.")
        if not given:
            break


def _as_text(method: Method) -> str:
    packed, tensors = pack(method.state())
    return json.dumps([packed, {name: tensor.tolist() for name, tensor in tensors.items()}])


def _check_faults(make_method: MakeMethod, space: Space, seed: int) -> None:
    kinds: tuple[Faults, ...] = ("errors", "nan", "all")
    for faults in kinds:
        run = FakeRun(make_method(space, seed), faults=faults).until(ROUNDS)
        run.method.inspect()


def _check_resume(make_method: MakeMethod, space: Space, seed: int, cut: int, whole: list[Any]) -> None:
    first = FakeRun(make_method(space, seed)).until(cut)
    packed, tensors = pack(first.method.state())
    text, copies = json.dumps(packed), {name: tensor.clone() for name, tensor in tensors.items()}
    second = FakeRun(make_method(space, seed), done=first.done, index=first.index)
    second.method.load(unpack(json.loads(text), copies))
    require(best_of(second.method) == best_of(first.method), f"The best differs after a resume at {cut}.")
    second.until(ROUNDS)
    where = _first_difference(whole, first.trace + second.trace)
    require(where is None, f"Resumed after {cut} pieces of work, the search differs from entry {where} on.")


def _first_difference(first: list[Any], second: list[Any]) -> int | None:
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return place
    return None if len(first) == len(second) else min(len(first), len(second))


def _global_random() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - looked at, to see that no method draws from it
    return random.getstate(), repr(numpy_state), torch.get_rng_state().tolist()
