"""Scores of untrained networks by proxies: what `chronas score` does."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronas.architecture import Architecture, make_space
from chronas.errors import EnvironmentFault, ProxyError, UsageError, missing_extra
from chronas.proxies import PROXIES
from chronas.seeding import derive, stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices

if TYPE_CHECKING:
    from chronas.proxies.base import ProxyBatch
    from chronas.proxies.many import Candidate

SUFFIXES = (".parquet", ".csv")
DRAWS_EACH = 50
"""A space whose draws give nothing new so often in a row is taken to be exhausted."""

Progress = Callable[[str, int, int], None]
"""Called with proxy, networks done and networks in all."""


@dataclass(frozen=True)
class Scores:
    """Networks and their scores, in the order drawn.

    columns  proxy name to one score per network, higher is better; None where the proxy has no score
    reasons  proxy name to the messages of the networks without a score
    seconds  proxy name to seconds per network, building included
    """

    space: Space
    networks: tuple[Choices, ...]
    params: tuple[int, ...]
    madds: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def best(self, proxy: str, count: int = 1) -> list[int]:
        """Places of the `count` networks with the best score by `proxy`. Raises ProxyError where none has one."""
        known = [(value, -place) for place, value in enumerate(self.columns[proxy]) if value is not None]
        if not known:
            raise ProxyError(f"{proxy} has a score for none of {len(self.networks)} networks: {self.reasons[proxy][0]}")
        return [-place for _, place in sorted(known, reverse=True)[:count]]

    def records(self) -> Iterator[dict[str, Any]]:
        """One row per network: notation, params, madds, and every proxy's score."""
        for place, choices in enumerate(self.networks):
            scores = {proxy: column[place] for proxy, column in self.columns.items()}
            yield {"architecture": self.space.notation(choices), "params": self.params[place],
                   "madds": self.madds[place], **scores}  # fmt: skip

    def write(self, path: str | Path) -> None:
        """Write .parquet (needs pyarrow) or .csv. Raises UsageError, EnvironmentFault."""
        path = Path(path)
        check_suffix(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_csv(path, list(self.records())) if path.suffix == ".csv" else _write_parquet(path, self)
        except OSError as error:
            raise EnvironmentFault(f"{path} cannot be written: {error.strerror or error}.") from error


def score(
    data: Any, *, space: str | Space, proxies: Sequence[str] = ("naswot",), samples: int = 1000, seed: int = 0,
    batch: int = 128, in_flight: int = 1, settings: Mapping[str, Any] | None = None, device: str = "auto",
    load_options: Mapping[str, Any] | None = None, progress: Progress | None = None,
) -> Scores:  # fmt: skip
    """Score `samples` different random networks of a space on one batch of images; nothing is trained.

    data          what `chronas.load` takes, or an ImageData
    space         a registered name (with `settings`) or a Space
    proxies       registered names; batch: images that each network sees (fewer where there are no more)
    in_flight     networks scored side by side on a CPU, each by one thread
    load_options  words of `chronas.load`, for example {"size": 32}

    Equal networks (one canonical form) are drawn once; a space with fewer gives all that chance finds.
    Raises UsageError, DataError.
    """
    if samples < 1 or batch < 2:
        raise UsageError(f"Scoring needs at least one network and a batch of two, but got {samples} and {batch}.")
    for name in proxies:
        PROXIES.entry(name)
    made = make_space(space, settings) if isinstance(space, str) else space

    from chronas import nets
    from chronas.data.images import ImageData
    from chronas.data.load import load
    from chronas.proxies.many import Candidate
    from chronas.training.hardware import Hardware
    from chronas.training.scores import proxy_batch, untrained

    images = data if isinstance(data, ImageData) else load(data, seed=seed, **(load_options or {}))
    hardware = Hardware.find(device)
    images = images.to(hardware.device)
    networks = draw(made, samples, seed)
    given = proxy_batch(images, hardware, seed, batch)
    architectures = [Architecture(made, choices) for choices in networks]
    costs = [nets.cost(architecture, images.task) for architecture in architectures]
    candidates = [Candidate(place, partial(untrained, architecture, images.task, hardware, seed))
                  for place, architecture in enumerate(architectures)]  # fmt: skip
    columns, reasons, seconds = {}, {}, {}
    for name in dict.fromkeys(proxies):
        began = time.monotonic()
        columns[name], reasons[name] = _column(name, candidates, given, in_flight, progress)
        seconds[name] = (time.monotonic() - began) / len(networks)
    params, madds = tuple(cost.params for cost in costs), tuple(cost.madds for cost in costs)
    return Scores(made, networks, params, madds, columns, reasons, seconds)


def draw(space: Space, count: int, seed: int) -> tuple[Choices, ...]:
    """At most `count` different random architectures, equal ones (`Space.exact`) counted once."""
    found: dict[Choices, Choices] = {}
    index, idle = 0, 0
    while len(found) < count and idle < DRAWS_EACH * max(20, len(found)):
        choices = sample(space, stream(derive(seed, "score"), "draw", index))
        known = len(found)
        found.setdefault(space.exact(choices), choices)
        index, idle = index + 1, 0 if len(found) > known else idle + 1
    return tuple(found.values())


def _column(
    name: str, candidates: Sequence[Candidate], batch: ProxyBatch, in_flight: int, progress: Progress | None
) -> tuple[tuple[float | None, ...], tuple[str, ...]]:  # fmt: skip
    from chronas.proxies.many import score_many

    values: list[float | None] = []
    reasons: list[str] = []
    for _, found in score_many(name, candidates, batch, in_flight=in_flight):
        if isinstance(found, ProxyError):
            reasons.append(str(found))
        values.append(None if isinstance(found, ProxyError) else found)
        if progress:
            progress(name, len(values), len(candidates))
    return tuple(values), tuple(reasons)


def check_suffix(path: Path) -> None:
    """Raise UsageError unless `path` ends like a format that scores can be written in."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"Scores are written as {' or '.join(SUFFIXES)}, but the name is {path.name!r}.")


def _write_csv(path: Path, records: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def _write_parquet(path: Path, scores: Scores) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise missing_extra("pyarrow", "parquet", f"Writing {path.name}") from error
    about = {"space": scores.space.name, "seconds": ", ".join(f"{k} {v:.4f}" for k, v in scores.seconds.items())}
    pq.write_table(pa.Table.from_pylist(list(scores.records())).replace_schema_metadata(about), path)
