"""Scores of untrained networks by proxies: what `chronas score` does."""

from __future__ import annotations

import csv
import importlib.util
import os
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
    from chronas.nets.ops import Cost
    from chronas.proxies.base import ProxyBatch
    from chronas.proxies.many import Candidate, Timed

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
    seconds  proxy name to seconds per network, building it left out; several in flight take them at the same time
    notes    what people should know about how they were scored
    """

    space: Space
    networks: tuple[Choices, ...]
    params: tuple[int, ...]
    madds: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
        check_target(path)
        try:
            _write_csv(path, list(self.records())) if path.suffix == ".csv" else _write_parquet(path, self)
        except OSError as error:
            raise EnvironmentFault(f"{path} cannot be written: {error.strerror or error}.") from error


def score(
    data: Any, *, space: str | Space, proxies: Sequence[str] = ("naswot",), samples: int = 1000, seed: int = 0,
    batch: int = 128, in_flight: int | None = None, settings: Mapping[str, Any] | None = None, device: str = "auto",
    load_options: Mapping[str, Any] | None = None, progress: Progress | None = None,
) -> Scores:  # fmt: skip
    """Score `samples` different random networks of a space on one batch of images; nothing is trained.

    data          what `chronas.load` takes, or an ImageData
    space         a registered name (with `settings`) or a Space
    proxies       registered names; batch: images that each network sees (fewer where there are no more)
    in_flight     networks scored side by side, each by one thread: by processes on a CPU, by threads on a GPU. 1: all
                  threads score each network; they add up in another order, so last digits differ. None: on a CPU, from
                  128 networks on, as many as it has threads and memory for, each by one thread in any case; else 1
    load_options  words of `chronas.load`, for example {"size": 32}

    Equal networks (`Space.exact`) are drawn once; a space with fewer gives all that chance finds.
    Raises UsageError, DataError, and EnvironmentFault where a process that scores was ended from outside.
    """
    if in_flight is not None and in_flight < 1:
        raise UsageError(f"The number of networks in flight must be at least 1, but got {in_flight}.")
    if samples < 1 or batch < 2:
        raise UsageError(f"Scoring needs at least one network and a batch of two, but got {samples} and {batch}.")
    for name in proxies:
        PROXIES.entry(name)
    made = make_space(space, settings) if isinstance(space, str) else space

    from chronas import nets
    from chronas.data.images import ImageData
    from chronas.data.load import load
    from chronas.proxies.flight import NoProcesses
    from chronas.proxies.many import Candidate
    from chronas.training.hardware import Hardware
    from chronas.training.scores import MANY, looks_at_weights, networks_beside, proxy_batch, untrained

    images = data if isinstance(data, ImageData) else load(data, seed=seed, **(load_options or {}))
    hardware = Hardware.find(device)
    networks = draw(made, samples, seed)
    given = proxy_batch(images, hardware, seed, batch)
    architectures = [Architecture(made, choices) for choices in networks]
    costs = [nets.cost(architecture, images.task) for architecture in architectures]
    found: dict[str, list[Timed]] = {}
    notes: list[str] = []
    many = in_flight is None and hardware.kind == "cpu" and len(networks) >= MANY
    chosen = (networks_beside(hardware, given) if many else 1) if in_flight is None else in_flight
    for names in _built_alike(proxies):
        builds = [untrained(one, images.task, hardware, seed, names[0]) for one in architectures]
        candidates = [Candidate(place, build) for place, build in enumerate(builds)]
        slow = looks_at_weights(names[0])  # what does not is done before a process has begun
        score_them = partial(_score_group, names, candidates, given, progress, many and slow)
        try:
            found |= score_them(chosen if slow else 1)
        except NoProcesses as error:
            if in_flight is not None:
                raise
            notes.append(f"{error}. Networks were scored one by one.")
            found |= score_them(1)
    return _scores(made, networks, costs, {name: found[name] for name in dict.fromkeys(proxies)}, notes)


def _scores(
    space: Space, networks: tuple[Choices, ...], costs: Sequence[Cost], found: Mapping[str, Sequence[Timed]],
    notes: Sequence[str],
) -> Scores:  # fmt: skip
    columns: dict[str, tuple[float | None, ...]] = {}
    reasons: dict[str, tuple[str, ...]] = {}
    seconds: dict[str, float] = {}
    for name, column in found.items():
        columns[name] = tuple(None if isinstance(one.score, ProxyError) else one.score for one in column)
        reasons[name] = tuple(str(one.score) for one in column if isinstance(one.score, ProxyError))
        seconds[name] = sum(one.seconds for one in column) / len(column)
    params, madds = tuple(cost.params for cost in costs), tuple(cost.madds for cost in costs)
    return Scores(space, networks, params, madds, columns, reasons, seconds, tuple(notes))


def _score_group(
    names: Sequence[str], candidates: Sequence[Candidate], batch: ProxyBatch, progress: Progress | None,
    one_thread: bool, in_flight: int,
) -> dict[str, list[Timed]]:  # fmt: skip
    from chronas.proxies.many import score_all

    found: dict[str, list[Timed]] = {name: [] for name in names}
    for _, timed in score_all(names, candidates, batch, in_flight=in_flight, one_thread=one_thread):
        for name in names:
            found[name].append(timed[name])
            if progress:
                progress(name, len(found[name]), len(candidates))
    return found


def _built_alike(proxies: Sequence[str]) -> list[list[str]]:
    """The proxies in groups that can look at one built network."""
    from chronas.training.scores import looks_at_weights

    groups: dict[bool, list[str]] = {}
    for name in dict.fromkeys(proxies):
        groups.setdefault(looks_at_weights(name), []).append(name)
    return list(groups.values())


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


def check_target(path: Path) -> None:
    """Make the folder of `path`; raise UsageError or EnvironmentFault where scores could not be written there."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"Scores are written as {' or '.join(SUFFIXES)}, but the name is {path.name!r}.")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise missing_extra("pyarrow", "parquet", f"Writing {path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be written: {error.strerror or error}.") from error
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise EnvironmentFault(f"{path} cannot be written: it is a folder, or permission is denied.")


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
