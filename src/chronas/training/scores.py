"""Fidelity "proxy": the score of an untrained network on one batch of training images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Ledger
from chronas.data.batches import Batches
from chronas.data.images import ImageData
from chronas.errors import DataError
from chronas.memory import free_memory
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score
from chronas.proxies.flight import Build
from chronas.seeding import derive
from chronas.spaces import Space
from chronas.spaces.limits import without
from chronas.spaces.superkernel import LARGEST_MAP
from chronas.task import Task
from chronas.training.ahead import Ahead
from chronas.training.at_once import AtOnce
from chronas.training.hardware import Hardware
from chronas.training.network import seeded_network
from chronas.work import Choices, Evaluate, Work

BATCH = 128
"""Images that every network is judged by (Mellor et al. 2021: 128)."""

MANY = 128
"""Networks from which on processes pay on two cores: they take some four seconds to begin with."""
PROCESS_BYTES, NETWORK_BYTES = 2**29, 2**30
"""What a process needs, and what its network needs for 128 maps of 32 x 32 pixels: generous."""


class UntrainedScore(AtOnce):
    """Every network gets the same images, without augmentation; equal networks get the same initial weights.

    upcoming  work that will be asked for next, at most so many pieces, as far as that is known (`Method.upcoming`)

    Where that is much at the outset, on a CPU, processes score some of it while the network asked for is waited for,
    each with one torch thread. All scores of such a run are of one thread, so results do not depend on the cores.
    """

    def __init__(
        self, space: Space, data: ImageData, hardware: Hardware, seed: int, *, batch: int = BATCH,
        upcoming: Callable[[int], Sequence[Work]] = lambda count: (),
    ) -> None:  # fmt: skip
        super().__init__()
        self.space, self.data, self.hardware, self.seed, self.size = space, data, hardware, seed, batch
        self._upcoming = upcoming
        self._ahead = Ahead(self._room, self._build) if self._many() else None

    @cached_property
    def batch(self) -> ProxyBatch:
        """The images. Made when the first network is scored: many searches never score one."""
        return proxy_batch(self.data, self.hardware, self.seed, self.size)

    def evaluate(
        self, work: Evaluate, ledger: Ledger, pause: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """`score`, `params` and `madds`; None where waiting for processes was broken off. Raises ProxyError."""
        if self._ahead is None:
            return super().evaluate(work, ledger, pause)
        found = self._ahead.score(work, self._upcoming, lambda: pause() or ledger.exhausted)
        return None if found is None else self._metrics(work, found)

    def judge(self, work: Evaluate, ledger: Ledger) -> dict[str, float]:
        """`score`, `params` and `madds`, one network after the other. Raises ProxyError."""
        return self._metrics(work, score(work.fidelity.proxy, self._build(work)(), self.batch, keep=False))

    def _metrics(self, work: Evaluate, found: float) -> dict[str, float]:
        counted = nets.cost(Architecture(self.space, work.choices), self.data.task)
        return {"score": found, "params": float(counted.params), "madds": float(counted.madds)}

    def _many(self) -> bool:
        coming = self._upcoming(MANY) if self.hardware.kind == "cpu" else ()
        slow = [one for one in coming if isinstance(one, Evaluate) and looks_at_weights(one.fidelity.proxy)]
        return len(slow) == MANY

    def _room(self) -> tuple[int, ProxyBatch]:
        return networks_beside(self.hardware, self.batch), self.batch

    def _build(self, work: Evaluate) -> Build:
        architecture = Architecture(self.space, work.choices)
        return untrained(architecture, self.data.task, self.hardware, self.seed, work.fidelity.proxy)

    def notes(self) -> list[str]:
        return [] if self._ahead is None else self._ahead.notes()

    def close(self) -> None:
        """End the processes."""
        if self._ahead is not None:
            self._ahead.close()


def untrained(architecture: Architecture, task: Task, hardware: Hardware, seed: int, proxy: str) -> Build:
    """What makes the network for `proxy` on its device as it is before training, with weights drawn by `seed`.

    Networks that are equal weight by weight (`Space.exact`) are built alike, so that they have equal scores; where the
    proxy does not look at weights, the architecture is built as it is, with all that it holds and does not run.
    It may be called in another process: it needs nothing that somebody has registered in this one.
    """
    space = architecture.space
    own = space.exact(architecture.choices)
    choices = own if looks_at_weights(proxy) else architecture.choices
    make = partial(nets.BUILDERS.load(space.name), without(space), choices, task)
    return partial(_placed, make, hardware, seed, own)


def _placed(make: Build, hardware: Hardware, seed: int, own: Choices) -> nn.Module:
    return hardware.place(seeded_network(make, seed, "proxy", *own))


def looks_at_weights(proxy: str) -> bool:
    """Whether the scores of a registered proxy depend on weights: not those of mere sizes."""
    return "weights" in PROXIES.entry(proxy).needs


def networks_beside(hardware: Hardware, batch: ProxyBatch) -> int:
    """How many processes may score side by side on this CPU: one a torch thread, in half of the memory that is free."""
    if hardware.kind != "cpu":
        return 1
    count, _, height, width = batch.images.shape
    maps = count * min(height, LARGEST_MAP) * min(width, LARGEST_MAP) / (128 * 32 * 32)
    return max(1, min(torch.get_num_threads(), int(free_memory() / 2 / (PROCESS_BYTES + maps * NETWORK_BYTES))))


def proxy_batch(data: ImageData, hardware: Hardware, seed: int, size: int = BATCH) -> ProxyBatch:
    """`size` different training images (fewer where there are no more), drawn by `seed`, normalised, on the device.

    Copies of an image are left out: no network can tell them apart. Raises DataError where all images are one.
    """
    batches = Batches(data.train, min(size, len(data.train)), mean=data.mean, std=data.std, drop_last=False,
                      seed=derive(seed, "proxy"), purpose="proxy", device=hardware.device)  # fmt: skip
    seen: set[bytes] = set()
    parts: list[tuple[Tensor, Tensor]] = []
    for step in range(len(batches)):
        images, labels = batches.batch(step)
        kept = _first_of_each(images, seen)
        parts.append((images[kept], labels[kept]))
        if len(seen) >= size:
            break
    if len(seen) < 2:
        raise DataError("All training images are one and the same: networks cannot be scored on them.")
    images, labels = (torch.cat(column)[:size] for column in zip(*parts, strict=True))
    return ProxyBatch(images.contiguous(memory_format=torch.channels_last), labels, len(data.classes))


def _first_of_each(images: Tensor, seen: set[bytes]) -> list[int]:
    """Places of the images that are not in `seen`, where they are put."""
    kept = []
    for place, image in enumerate(images.cpu()):
        known = len(seen)
        seen.add(hashlib.sha256(image.contiguous().numpy().tobytes()).digest())
        if len(seen) > known:
            kept.append(place)
    return kept
