"""What an interrupted training is worth: its weights as they are, with renewed batch norms, and annealed.

One training a seed, on a clock that stands still while its copies are made and tested at 25, 50, 75 and 90 % of it.
Times are of one thread on an idle machine: its processor time is what counts.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from common import CIFAR10, Record, mean, parser, spread, table, tiny_data, until_out_of_time

MOMENTS = (0.25, 0.5, 0.75, 0.9)
ANNEALED = (1.0, 2.0)
SPACE = {"layers": 6, "width": 16, "m": 5}
KINDS = ("as it is", "batch norms renewed", *(f"annealed {seconds:g} s" for seconds in ANNEALED))


class Clock:
    """Seconds of processor time, that stop while `still`."""

    def __init__(self) -> None:
        self._left_out = 0.0

    def __call__(self) -> float:
        return time.process_time() - self._left_out

    def still(self, act: Callable[[], Any]) -> Any:
        """`act()`, whose time does not count."""
        began = time.process_time()
        try:
            return act()
        finally:
            self._left_out += time.process_time() - began


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("interrupted", "Test accuracy of trainings that are cut off, with and without annealing.")
    made.add_argument("--data", default=str(CIFAR10), help="the larger data set; the other one is digits")
    made.add_argument("--limit", type=int, default=5000, help="training images of the larger data set")
    made.add_argument("--tested", type=int, default=1000, help="test images at most")
    made.add_argument("--seconds", type=float, default=40.0, help="of a training")
    words = made.parse_args(argv)
    seeds = words.seeds or (0, 1, 2)
    if words.small:
        words.seconds, seeds = 1.5, (0,)
    words.threads = 1
    setting = {"limit": words.limit, "tested": words.tested, "seconds": words.seconds, "space": SPACE}
    record = Record.open(words, setting, argv)
    cases = [("network", "digits"), ("network", "cifar10"), ("supernet", "cifar10")]
    with until_out_of_time() as finished:
        for seed in seeds:
            for kind, name in cases:
                measure = partial(_measure, record, words, kind, name, seed)
                record.piece(f"{kind} {name} {seed}", measure, seed, takes=2 * words.seconds)
    blocks, aims = _tables(record, [f"{kind} {name}" for kind, name in cases])
    record.close("Trainings that were cut off", blocks, finished[0], aims)
    return 0


def _measure(record: Record, words: argparse.Namespace, kind: str, name: str, seed: int) -> dict[str, Any]:
    from chronas.data.load import load
    from chronas.training.hardware import Hardware
    from chronas.training.judge import judge

    source = tiny_data(record) if words.small else "digits" if name == "digits" else words.data
    data = load(source, limit=None if name == "digits" or words.small else words.limit)
    assert data.test is not None
    test = _first(data.test, words.tested)
    hardware = Hardware.find(precision="float32")

    def accuracy(net: Any) -> float:
        return judge(net, test, mean=data.mean, std=data.std, classes=len(data.classes), hardware=hardware).accuracy

    begin = _network if kind == "network" else _supernet
    return {"test_accuracy": begin(data, hardware, words, seed, accuracy)}


def _network(data: Any, hardware: Any, words: argparse.Namespace, seed: int, accuracy: Any) -> dict[str, Any]:
    """A training from scratch of 3x3 kernels everywhere, under the recipe that `fit` takes."""
    from chronas import nets
    from chronas.architecture import Architecture
    from chronas.budget import Budget, Ledger
    from chronas.training.network import Looks, NetworkTrainer, seeded_network
    from chronas.training.recipes import recipe

    space = _space(words)
    plain = space.plain()
    net = seeded_network(lambda: nets.build(Architecture(space, plain), data.task), seed, "network")
    trainer = NetworkTrainer(net, data, recipe("progressive"), hardware, seed, looks=Looks(times=0), slice_seconds=0.2)
    clock = Clock()
    ledger = Ledger(Budget(words.seconds, "seconds"), clock=clock)
    found = _cut_off(
        ledger, clock, accuracy, lambda: trainer.advance(ledger), lambda: trainer.unfinished(plain, ledger)
    )
    return {**found, "1": {"to the end": accuracy(trainer.net)}}


def _supernet(data: Any, hardware: Any, words: argparse.Namespace, seed: int, accuracy: Any) -> dict[str, Any]:
    """The supernet of a search with uniform paths; the network is the 3x3 kernels everywhere, cut out of it."""
    from chronas import nets
    from chronas.budget import Budget, Ledger
    from chronas.methods.rsps import RandomSinglePath, RspsSettings
    from chronas.seeding import torch_scope
    from chronas.training.network import plan
    from chronas.training.recipes import recipe
    from chronas.training.supernet import Slice, SupernetSettings, SupernetTrainer

    space = _space(words)
    method = RandomSinglePath(space, RspsSettings(train_share=0.99), seed)
    with torch_scope(seed, "supernet"):
        net = nets.build_supernet(space, data.task)
    trainer = SupernetTrainer(net, method, data, plan(data, recipe("progressive")), SupernetSettings(), hardware, seed)
    clock = Clock()
    ledger, limit = Ledger(Budget(words.seconds, "seconds"), clock=clock), Slice(seconds=0.2)
    plain = space.plain()
    return _cut_off(
        ledger, clock, accuracy, lambda: trainer.advance(ledger, limit), lambda: trainer.unfinished(plain, ledger)
    )


def _cut_off(ledger: Any, clock: Clock, accuracy: Any, advance: Any, unfinished: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    scale = min(1.0, ledger.budget.amount / 20)  # shorter trainings, of --small, have shorter annealings too
    while not ledger.exhausted:
        advance()
        due = [moment for moment in MOMENTS if moment <= ledger.progress and str(moment) not in found]
        if due:
            found[str(due[-1])] = clock.still(lambda: _variants(unfinished()[0], accuracy, scale))
    return found


def _variants(one: Any, accuracy: Any, scale: float) -> dict[str, float]:
    """Test accuracy of each way to give an unfinished network, in the order in which a stopped run does it.

    The network is that of the training, so that the annealing finds its velocities; its statistics are put back.
    """
    net, schedule = one.net, one.schedule
    buffers, training = {name: value.clone() for name, value in net.named_buffers()}, net.training
    values = {KINDS[0]: accuracy(net)}
    schedule.renew_norms(net)
    values[KINDS[1]] = accuracy(net)
    for kind, seconds in zip(KINDS[2:], ANNEALED, strict=True):
        made = schedule.annealed(net, seconds * scale, time.process_time)
        # Where there is time for a few steps at most, the weights stay as they are.
        values[kind] = values[KINDS[1]] if made is None else accuracy(made)
    for name, value in net.named_buffers():
        value.copy_(buffers[name])
    net.train(training)
    return values


def _space(words: argparse.Namespace) -> Any:
    from chronas.architecture import make_space

    return make_space("superkernel", {"layers": 2, "width": 4, "m": 3} if words.small else SPACE)


def _first(split: Any, count: int) -> Any:
    """At most `count` images, drawn at random, always the same."""
    import torch

    from chronas.data.images import Split
    from chronas.seeding import torch_stream

    order = torch.randperm(len(split), generator=torch_stream(0, "benchmark", "tested"))[:count]
    return Split(split.images[order], split.labels[order])


def _tables(record: Record, cases: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    blocks = [
        "Test accuracy in percent, mean over seeds ± its standard error; in brackets the mean gain over the weights as "
        "they are. Annealed: trained on with a learning rate that falls to 0. Seconds of one thread "
        "that has a processor for itself."
    ]
    aims: dict[str, Any] = {}
    for case in cases:
        pieces = [piece["test_accuracy"] for piece in record.pieces(f"{case} ").values()]
        if not pieces:
            continue
        rows = []
        for moment in map(str, MOMENTS):
            here = [piece[moment] for piece in pieces if moment in piece]
            cells = [_cell([one[kind] for one in here], [one[KINDS[0]] for one in here]) for kind in KINDS]
            rows.append([f"{100 * float(moment):.0f} %", *cells])
            aims[f"{case} {moment}"] = {kind: mean([one[kind] for one in here]) for kind in KINDS} if here else {}
        ends = [piece["1"]["to the end"] for piece in pieces if "1" in piece]
        end = f"Trained to the end: {_cell(ends, ends)}." if ends else ""
        blocks.append(f"## {case}\n\n{table(('cut off at', *KINDS), rows)}\n\n{end}")
    return blocks, aims


def _cell(values: Sequence[float], base: Sequence[float]) -> str:
    if not values:
        return "-"
    error = f" ± {spread(values) / math.sqrt(len(values)):.2f}" if len(values) > 1 else ""
    gain = mean(values) - mean(base)
    return f"{mean(values):.2f}{error}" + (f" ({gain:+.2f})" if list(values) != list(base) else "")


if __name__ == "__main__":
    raise SystemExit(main())
