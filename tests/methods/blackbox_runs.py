"""Black-box methods driven in tests: several evaluations under way, outcomes late, out of order and failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chronas.architecture import make_space
from chronas.methods import METHODS, Method
from chronas.runs.packing import pack, unpack
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.testing.methods import made_up_accuracy, made_up_cost
from chronas.work import Choices, Evaluate, Outcome, Work

Objective = Callable[[Choices], float]
TARGET = (3, 1, 0, 2, 3, 1)


def space() -> Space:
    """Six decisions of four options: 4,096 architectures."""
    return make_space("superkernel", {"layers": 6, "m": 2})


def make(name: str, seed: int = 0, where: Space | None = None, **settings: Any) -> Method:
    kind = METHODS.load(name)
    return kind(where or space(), kind.Settings(**settings), seed)


def matches(choices: Choices) -> float:
    """Percent of decisions that are as in TARGET: one optimum among 4,096, and every step towards it counts."""
    return 100 * sum(a == b for a, b in zip(choices, TARGET, strict=True)) / len(TARGET)


def outcome(work: Work, objective: Objective = made_up_accuracy, error: str | None = None) -> Outcome:
    """What an executor would tell about `work`."""
    assert isinstance(work, Evaluate)
    if error:
        return Outcome(work, {}, {}, error)
    value = objective(work.choices)
    if work.fidelity.kind == "proxy":
        return Outcome(work, {"score": value})
    return Outcome(work, {"val_accuracy": value, **made_up_cost(work.choices)})


def drive(method: Method, count: int, objective: Objective = made_up_accuracy) -> list[Evaluate]:
    """Ask for and tell `count` pieces of work one by one; returns them."""
    done: list[Evaluate] = []
    while len(done) < count and (asked := method.ask(1, len(done) / count)):
        method.tell(outcome(asked[0], objective), len(done) / count)
        assert isinstance(asked[0], Evaluate)
        done.append(asked[0])
    return done


def evaluations_to_optimum(name: str, seed: int, most: int, **settings: Any) -> int:
    """How many evaluations until TARGET is judged; `most` where it never is."""
    asked = [work.choices for work in drive(make(name, seed, **settings), most, matches)]
    return asked.index(TARGET) if TARGET in asked else most


def copied(method: Method, name: str, **settings: Any) -> Method:
    """A new method that loaded the state of `method` from JSON."""
    packed, tensors = pack(method.state())
    assert not tensors
    other = make(name, method.seed, **settings)
    other.load(unpack(json.loads(json.dumps(packed, allow_nan=False)), {}))
    return other


def check_workers(name: str, count: int = 60, workers: int = 4, **settings: Any) -> None:
    """With several workers and failures: it goes on, and goes on alike when loaded anywhere in between."""
    rng = stream(0, "workers")
    method, flying = make(name, 0, **settings), list[Work]()
    for done in range(count):
        asked = list(method.ask(workers - len(flying), done / count))
        assert len(asked) <= workers - len(flying)
        flying += asked
        assert flying, "nothing is under way, and nothing is asked for"
        piece = flying.pop(int(rng.integers(len(flying))))
        twin = copied(method, name, **settings) if done % 7 == 0 else None
        told = outcome(piece, error="made up" if done % 5 == 4 else None)
        for one in filter(None, (method, twin)):
            one.tell(told, done / count)
        if twin is not None:
            # Asked of a copy, for asking changes the one that is asked.
            assert twin.ask(3, done / count) == copied(method, name, **settings).ask(3, done / count)
            assert copied(twin, name, **settings).best() == twin.best() == method.best()
