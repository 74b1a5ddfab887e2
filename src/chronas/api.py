"""The library's verbs: search, fit, train, resume, demo. The command line calls these and nothing else."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronas.architecture import Architecture
from chronas.budget import Budget, RunClock
from chronas.check import check, check_time
from chronas.data.deadline import LoadTime
from chronas.data.formats.ignored import inside_note
from chronas.data.images import ImageData
from chronas.data.load import load
from chronas.data.options import NAMES, DataOptions, plain
from chronas.driver import Listener
from chronas.errors import DataError, UsageError
from chronas.execution.interrupt import StopFlag
from chronas.named import find_source
from chronas.policy import plan_fit
from chronas.reports.html import write_report
from chronas.runs.best import best_architecture
from chronas.runs.files import check_format, disk_faults
from chronas.runs.folder import RunFolder, refuse_occupied, refuse_unwritable
from chronas.session import Session
from chronas.spec import DataSpec, RunSpec, Verb, check_groups, read_spec
from chronas.training.hardware import Hardware

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class RunResult:
    """What a run left behind.

    path         the run folder
    result       the content of result.json
    interrupted  whether it was asked to stop before its end; `exit_code` is then 130, 143 or 129
    """

    path: Path
    result: Mapping[str, Any]
    interrupted: bool
    exit_code: int

    @property
    def architecture(self) -> Architecture | None:
        """The best architecture, once there is one."""
        best = RunFolder.open(self.path).read_best()
        return Architecture.from_json(best["architecture"]) if best else None

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    def network(self, name: str = "found") -> Mapping[str, Any] | None:
        """The row of a trained network: "found", "random", "plain" or "rival"."""
        return next((entry for entry in self.result["networks"] if entry["name"] == name), None)


@dataclass(frozen=True, kw_only=True)
class Options(DataOptions):
    """What every verb takes besides data, budget and folder, and how images are read (`DataOptions`).

    space, method, preset  names; None lets Chronas choose (see docs/how-fit-decides.md)
    seed       None: 0; when a run's network is trained on its images, the run's
    settings   {"method": {"k": 0.2}, "space": {"m": 5}, "supernet": {...}, "recipe": {...}}
    max_params, max_madds   the most parameters, and multiply-adds per image, that an architecture may have
    baselines  any of "random", "plain": trained like the found network, beside it
    rival      afterwards train the hand-made residual network for as long as the search and the found network took
    listeners  called with every journal record
    started    a time.monotonic() reading at which the user's clock began; None: now
    stop       receives Ctrl-C, SIGTERM and SIGHUP while the verb works; None: a flag of its own
    """

    space: str | None = None
    method: str | None = None
    preset: str | None = None
    recipe: str | None = None
    settings: Settings | None = None
    seed: int | None = None
    device: str = "auto"
    precision: str = "auto"
    max_params: int | None = None
    max_madds: int | None = None
    baselines: tuple[str, ...] = ()
    rival: bool = False
    search_share: float | None = None
    listeners: Sequence[Listener] = ()
    started: float | None = None
    stop: StopFlag | None = None


DEMO_DATA, DEMO_BUDGET = "digits", "84s"
DEMO = Options(
    space="superkernel", method="nasib", settings={"space": {"layers": 6, "width": 16, "m": 5}},
    baselines=("random", "plain"), rival=True, search_share=60 / 84,
)  # fmt: skip
"""The demo: of 84 seconds 60 for the search, and 8 for each of three networks; then 68 more for the rival."""


def demo(
    out: str | Path, *, seed: int = 0, listeners: Sequence[Listener] = (), started: float | None = None,
    stop: StopFlag | None = None,
) -> RunResult:  # fmt: skip
    """`fit` with all comparisons on handwritten digits that come with scikit-learn. Raises UsageError, RunError."""
    options = dataclasses.replace(DEMO, seed=seed, listeners=listeners, started=started, stop=stop)
    return fit(DEMO_DATA, budget=DEMO_BUDGET, out=out, options=options)


def search(data: Any, *, budget: str | float | Budget, out: str | Path, options: Options | None = None) -> RunResult:
    """Search an architecture within `budget`. Raises UsageError, DataError, RunError."""
    return _start("search", data, budget, out, options or Options(), None)


def fit(data: Any, *, budget: str | float | Budget, out: str | Path, options: Options | None = None) -> RunResult:
    """Search, train, test and report within `budget` altogether. Raises UsageError, DataError, RunError."""
    return _start("fit", data, budget, out, options or Options(), None)


def train(
    source: str | Path | Architecture, data: Any, *, budget: str | float | Budget, out: str | Path | None = None,
    options: Options | None = None,
) -> RunResult:  # fmt: skip
    """Train an architecture from scratch within `budget`.

    source  a run folder (its best architecture), an architecture's file, SPACE:NOTATION as in
            "resnet:full-32-1-1-2-basic", or an Architecture. The new run folder is `out`; by default
            the folder "train" inside the run folder. On the images of that run, what `options` leave open (seed,
            how images are read) is as in the run: what it held out for the test stays held out.
    """
    folder = find_source(source, (options.settings or {}).get("space") if options else None)
    if isinstance(folder, Architecture):
        if out is None:
            raise UsageError("Training an architecture needs `out`, the folder of the new run.")
        return _start("train", data, budget, out, options or Options(), folder)
    architecture = best_architecture(folder)
    options = _read_alike(options or Options(), read_spec(folder.spec, folder.path / "spec.json"), data)
    result = _start("train", data, budget, out or folder.train_folder, options, architecture)
    if result.path.resolve() == folder.train_folder.resolve() and folder.finished:
        write_report(folder.path)  # which now shows the training too
    return result


def _read_alike(options: Options, spec: RunSpec, data: Any) -> Options:
    """`options`, with the run's way of reading the same images where they say nothing."""
    if _source_name(data) != spec.data.source:
        return options
    usual = DataOptions()
    # What was found in other arrays of the same type says nothing about these.
    own = ("limit", "cache", *(("range_found", "mirror") if spec.data.source.startswith("<") else ()))
    known = {name: getattr(spec.data, name) for name in NAMES if name not in own}
    left_open = {name: value for name, value in known.items() if getattr(options, name) == getattr(usual, name)}
    return dataclasses.replace(options, **left_open, seed=spec.seed if options.seed is None else options.seed)


def resume(
    run: str | Path, *, data: Any = None, listeners: Sequence[Listener] = (), started: float | None = None,
    stop: StopFlag | None = None,
) -> RunResult:  # fmt: skip
    """Go on with an interrupted or killed run; a finished one is returned as it is.

    Of a finished search whose network is being trained inside its folder, that training is resumed.

    data   needed only where the run was started with arrays or a Dataset instead of a path
    others as in `Options`. Raises UsageError, DataError, RunError.
    """
    began = time.monotonic() if started is None else started
    folder = RunFolder.open(run).unfinished()
    spec = read_spec(folder.spec, folder.path / "spec.json")
    result = folder.read_result()
    if result is not None and folder.finished:
        _finish_report(folder)
        return RunResult(folder.path, result, False, 0)
    stop = stop or StopFlag()
    with stop.installed(), folder.locked():
        clock = RunClock(started=began, carried=_carried(folder))
        with stop.at_once():
            loaded = _load_again(spec, data, folder.spec.get("streamed"))
        return _run(folder, spec, loaded, clock, listeners, stop)


def _start(
    verb: Verb,
    data: Any,
    budget: str | float | Budget,
    out: str | Path,
    options: Options,
    architecture: Architecture | None,
) -> RunResult:
    clock = RunClock(started=options.started)
    limit = Budget.parse(budget)
    check_groups(options.settings or {})
    if verb == "train" and options.baselines:
        raise UsageError("Baselines are drawn from the space of a search: take them along with fit.")
    seed = options.seed or 0
    words = _from_anywhere(plain(options))
    words.check()
    source = _source_name(data)
    # At once, not after minutes of loading.
    with disk_faults(Path(out)):
        refuse_occupied(Path(out))
        refuse_unwritable(Path(out))
    stop = options.stop or StopFlag()
    with stop.installed():
        with stop.at_once():
            given = source if isinstance(data, str | Path) else data
            loaded = load(given, words, seed=seed, time=_load_time(limit, clock, options.device))
            check_time(limit, clock())
            spec = plan_fit(verb, _resolved(source, loaded), limit, options, loaded, architecture)
            inside = inside_note(out, data)
            if inside is not None:
                spec = dataclasses.replace(spec, notes=(*spec.notes, inside))
            check(spec, loaded.task)
        mark = {"fingerprint": loaded.fingerprint, "streamed": loaded.streamed}
        folder = RunFolder.create(out, {**spec.to_json(), **mark})
        with folder.locked():
            return _run(folder, spec, loaded, clock, options.listeners, stop)


def _run(
    folder: RunFolder, spec: RunSpec, data: ImageData, clock: RunClock, listeners: Sequence[Listener], stop: StopFlag
) -> RunResult:
    expected = folder.spec.get("fingerprint")
    if expected not in (None, data.fingerprint):
        raise DataError(f"{data.source} is not the data that {folder.path} was started with: its images differ.")
    data = dataclasses.replace(data, notes=(*data.notes, *folder.notes))
    session = Session(folder, spec, data, clock=clock, stop=stop, listeners=list(listeners))
    interrupted = session.run() == "interrupted"
    return RunResult(folder.path, session.account.result, interrupted, stop.exit_code if interrupted else 0)


def _load_time(budget: Budget, clock: RunClock, device: str) -> LoadTime:
    gpu = device != "cpu" and Hardware.find(device, "auto").kind == "cuda"
    return LoadTime(budget.amount if budget.unit == "seconds" else None, gpu, clock)


def _resolved(source: str, loaded: ImageData) -> DataSpec:
    """How the images were read, with what was found out: a resumed run does not decide again."""
    return DataSpec(source=source, **{name: getattr(loaded.reading, name) for name in NAMES})


def _from_anywhere(words: DataOptions) -> DataOptions:
    """`words` with whole paths: a run may be resumed from another folder."""
    files = {name: value for name in ("cache", "labels") if (value := getattr(words, name)) is not None}
    # A table of labels may also be named as it lies in the data.
    whole: dict[str, Any] = {name: str(Path(value).expanduser().absolute()) for name, value in files.items()
             if name == "cache" or Path(value).expanduser().exists()}  # fmt: skip
    return dataclasses.replace(words, **whole)


def _load_again(spec: RunSpec, data: Any, streamed: bool | None) -> ImageData:
    """The images of a run as it began with them; `streamed` as it did, whatever memory is free now."""
    words = spec.data
    if data is None and words.source.startswith("<"):
        raise UsageError(
            f"The run was started with {words.source} given in Python: pass the same as `data` to resume it."
        )
    if isinstance(data, ImageData):
        return data
    source = words.source if data is None else data
    if words.cache is not None and not Path(words.cache).is_dir():
        words = dataclasses.replace(words, cache=None)  # it only saves time
    return load(source, plain(words), seed=spec.seed,
                max_memory_bytes=None if streamed is None else 0 if streamed else sys.maxsize)  # fmt: skip


def _source_name(data: Any) -> str:
    if isinstance(data, str | Path):
        return str(data) if str(data) == "digits" else str(Path(data).expanduser().absolute())
    return f"<{type(data).__name__}>"


def _finish_report(folder: RunFolder) -> None:
    """Write the report of a finished run that was killed while writing it."""
    report, result = folder.report_path, folder.path / "result.json"
    if not report.exists() or report.stat().st_mtime_ns < result.stat().st_mtime_ns:
        with folder.locked():
            write_report(folder.path)


def _carried(folder: RunFolder) -> float:
    """Seconds already on the run's clock: up to the newest snapshot of the stage that was cut off."""
    records = folder.journal.records()
    for record in records:
        if record["kind"] == "start":
            check_format(record.get("format"), 1, f"{folder.journal.path} (journal of a run)")
    # Not up to the end of the run: keeping a model and writing the report come after the last snapshot and are no part
    # of the work, and evaluations after it, where a failure ended the run, are replayed, which adds their time.
    kept = [r for r in records if r["kind"] in ("snapshot", "start") or r.get("event") in ("begin", "end")]
    return float(kept[-1]["t"]) if kept else 0.0
