"""What all measurements share: words of the command line, the result file, tables, processes, deadlines.

A measurement is a list of pieces. Each finished piece is written to results/NAME.json at once, and a script
that is started again with the same settings skips the pieces that are there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chronas.errors import ChronasError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CIFAR10 = ROOT.parent / "shared" / "data" / "cifar10"
FORMAT = 1


class OutOfTime(Exception):
    """--limit-minutes are over. Everything that is finished is in the result file."""


def parser(name: str, summary: str) -> argparse.ArgumentParser:
    """A parser with the words that every script knows."""
    made = argparse.ArgumentParser(prog=f"benchmarks/{name}.py", description=summary, allow_abbrev=False)
    made.add_argument("--out", type=Path, default=RESULTS, help="folder of NAME.json and NAME.md")
    made.add_argument("--name", default=name, help="stem of the result files")
    made.set_defaults(script=name)
    made.add_argument("--threads", type=int, default=None, help="threads of torch (default: its own choice)")
    made.add_argument("--seeds", type=_seeds, default=None, help="for example 0,1,2")
    made.add_argument("--small", action="store_true", help="tiny sizes: shows that the script runs")
    made.add_argument("--limit-minutes", type=float, default=None, help="stop cleanly; call again to go on")
    return made


def add_setting_words(made: argparse.ArgumentParser) -> None:
    """Words of a small setting in which architectures are searched and trained alike: images, space, training."""
    made.add_argument("--data", default=str(CIFAR10))
    made.add_argument("--limit", type=int, default=10000, help="training images, validation included")
    made.add_argument("--data-seed", type=int, default=0, help="of the choice and split of images")
    made.add_argument("--layers", type=int, default=6)
    made.add_argument("--width", type=int, default=16)
    made.add_argument("--m", type=int, default=5)
    made.add_argument("--recipe", default="fast")
    made.add_argument("--epochs", type=float, default=12.0, help="of each training")


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word.strip())


@dataclass
class Record:
    """The result file of one measurement.

    path      NAME.json; the table goes to NAME.md beside it
    setting   what all pieces have in common; a file with another setting is not gone on with
    deadline  a time.monotonic() reading, or infinity
    """

    path: Path
    content: dict[str, Any]
    deadline: float
    threads: int | None
    _machine: int = field(default=0)

    @classmethod
    def open(cls, words: argparse.Namespace, setting: Mapping[str, Any], argv: Sequence[str] | None) -> Record:
        """Start or go on with the result file of `words`. Raises SystemExit for one of another setting."""
        if words.threads is not None:
            import torch

            torch.set_num_threads(words.threads)
        path = Path(words.out) / f"{words.name}.json"
        setting = json.loads(json.dumps({**setting, "threads": words.threads, "small": words.small}))
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else _empty(setting)
        if content["setting"] != setting:
            other = f"{path} was measured with {content['setting']}, not with {setting}."
            raise SystemExit(f"{other} Give another --name or --out.")
        now = time.monotonic()
        limit = math.inf if words.limit_minutes is None else 60 * words.limit_minutes
        made = cls(path, content, now + limit, words.threads)
        made._enter(command(words.script, argv), machine())
        return made

    def _enter(self, line: str, hardware: dict[str, Any]) -> None:
        if line not in self.content["commands"]:
            self.content["commands"].append(line)
        if hardware not in self.content["machines"]:
            self.content["machines"].append(hardware)
        self._machine = self.content["machines"].index(hardware)

    def piece(
        self, key: str, measure: Callable[[], dict[str, Any]], seed: int | None = None, takes: float = 0.0
    ) -> dict[str, Any]:
        """The numbers of the piece `key`: from the file, or measured now and written.

        Raises OutOfTime, at once where the call has fewer than `takes` seconds left: for pieces that measure
        nothing when they are cut in two.
        """
        found: dict[str, Any] | None = self.content["pieces"].get(key)
        if found is not None:
            return found
        self.check_time(takes)
        say(key)
        measured = measure()
        if seed is not None and seed not in self.content["seeds"]:
            self.content["seeds"] = sorted([*self.content["seeds"], seed])
        measured = {**measured, "when": now_text(), "machine": self._machine}
        self.content["pieces"][key] = measured
        self.content["parts"].pop(key, None)
        self.write()
        return measured

    def part(self, key: str, seconds: float) -> None:
        """Note that a piece which was stopped before its end has taken `seconds` so far."""
        self.content["parts"].setdefault(key, []).append(seconds)
        self.write()

    def parts(self, key: str) -> list[float]:
        """Seconds of the earlier calls that worked on an unfinished piece."""
        return list(self.content["parts"].get(key, ()))

    def pieces(self, prefix: str) -> dict[str, dict[str, Any]]:
        """All finished pieces whose key starts with `prefix`."""
        return {key: value for key, value in self.content["pieces"].items() if key.startswith(prefix)}

    def check_time(self, takes: float = 0.0) -> None:
        """Raise OutOfTime when the call's time is over, or will be in `takes` seconds."""
        if time.monotonic() + takes >= self.deadline:
            raise OutOfTime

    def folder(self, *names: str) -> Path:
        """A place for a run folder of this measurement; `runs` folders are not committed."""
        return self.path.parent.joinpath("runs", self.path.stem, *(re.sub(r"[^\w.=-]+", "-", n) for n in names))

    def write(self) -> None:
        """Replace the file by what is known now."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".json.new")
        fresh.write_text(json.dumps(self.content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(fresh, self.path)

    def close(self, title: str, blocks: Sequence[str], finished: bool, aims: Mapping[str, Any] | None = None) -> None:
        """Write the file, and its table for people as NAME.md."""
        self.content["finished"] = finished
        if aims is not None:
            self.content["summary"] = dict(aims)
        self.write()
        head = [f"# {title}", "" if finished else "Not finished: the rest follows with another call.\n"]
        small = "Tiny sizes: shows that the script runs.\n" if self.content["setting"]["small"] else ""
        seeds = ", ".join(map(str, self.content["seeds"])) or "none"
        foot = [f"Seeds: {seeds}. Last written {now_text()}.", "", "Measured with:", ""]
        foot += [f"    {line}" for line in self.content["commands"]]
        foot += ["", "on", "", *(f"- {in_words(one)}" for one in self.content["machines"])]
        text = "\n".join([*head, small, *(f"{block}\n" for block in blocks), *foot])
        self.path.with_suffix(".md").write_text(re.sub(r"\n{3,}", "\n\n", text) + "\n", encoding="utf-8")
        say(f"written: {self.path.with_suffix('.md')}")


def _empty(setting: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "setting": dict(setting),
        "commands": [],
        "machines": [],
        "seeds": [],
        "started": now_text(),
        "finished": False,
        "summary": {},
        "pieces": {},
        "parts": {},
    }


@contextmanager
def until_out_of_time() -> Iterator[list[bool]]:
    """Run a block that OutOfTime or Ctrl-C may cut off; the list is [True] when it came to its end."""
    finished = [False]
    try:
        yield finished
        finished[0] = True
    except OutOfTime:
        say("The time of this call is over; the same command goes on.")
    except KeyboardInterrupt:
        say("Stopped; the same command goes on.")
    except ChronasError as error:
        say(f"Ended by an error; the same command goes on after what is finished. {error}")


# -- surroundings --------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the numbers depend on, in words; nothing that names the computer."""
    import torch

    flags = _cpu_line("flags").split()
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "processor": _cpu_line("model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "instructions": [flag for flag in known if flag in flags],
        "gpu": gpu,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def in_words(hardware: Mapping[str, Any]) -> str:
    """A machine as one line of text."""
    gpu = f", {hardware['gpu']}" if hardware["gpu"] else ""
    return (
        f"{hardware['processor']}, {hardware['cores']} cores, {hardware['threads']} threads, "
        f"{hardware['memory_gib']} GiB{gpu}; {' '.join(hardware['instructions'])}; "
        f"torch {hardware['torch']}, Python {hardware['python']}"
    )


def _cpu_line(name: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def command(script: str, argv: Sequence[str] | None = None) -> str:
    """The command of this call as one would type it in the repository."""
    words = sys.argv[1:] if argv is None else list(argv)
    return shlex.join([".venv/bin/python", f"benchmarks/{script}.py", *words])


def say(words: str) -> None:
    """A line of progress on stderr."""
    print(f"{datetime.now().strftime('%H:%M:%S')}  {words}", file=sys.stderr, flush=True)


def now_text() -> str:
    """The date and time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


# -- numbers -------------------------------------------------------------------------------------------------


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return statistics.fmean(values) if values else math.nan


def spread(values: Sequence[float]) -> float:
    """The sample standard deviation (n - 1); NaN of fewer than two."""
    return statistics.stdev(values) if len(values) > 1 else math.nan


def plus_minus(values: Sequence[float], digits: int = 2) -> str:
    """ "67.12 ± 0.31", without the deviation for a single value, a dash for none."""
    if not values:
        return "-"
    text = f"{mean(values):.{digits}f}"
    return f"{text} ± {spread(values):.{digits}f}" if len(values) > 1 else text


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def verdict(value: float, limit: float) -> str:
    """Whether a number keeps its limit."""
    return "holds" if value <= limit else "missed"


def tiny_data(record: Record) -> str:
    """A data set of noise that loads in no time, for --small."""
    import numpy as np

    from chronas.seeding import stream

    path = record.folder("tiny.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    images = stream(0, "benchmark", "tiny").integers(256, size=(150, 8, 8, 1), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(len(images)) % 3)
    return str(path)


# -- runs of Chronas -----------------------------------------------------------------------------------------


def chronas(*words: str | Path) -> list[str]:
    """A `chronas` command of this interpreter."""
    return [sys.executable, "-m", "chronas", *map(str, words)]


def surroundings(threads: int | None) -> dict[str, str]:
    """The environment of a measured process: this one's, with the number of threads."""
    words = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return {**os.environ, **words}


def run_output(argv: Sequence[str], record: Record) -> str:
    """The last line that a command prints. Raises RuntimeError with the end of its errors when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, env=surroundings(record.threads), cwd=ROOT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(argv)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def run_process(argv: Sequence[str], record: Record, stop_at: float = math.inf) -> float:
    """Run a command to its end; returns its wall time in seconds, measured from outside.

    At `stop_at` (a time.monotonic() reading) it gets SIGTERM, and OutOfTime carries the time so far.
    Raises RuntimeError with the end of its output when it fails.
    """
    around = surroundings(record.threads)
    began = time.monotonic()
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=around, cwd=ROOT
    ) as process:
        waits = None if math.isinf(stop_at) else max(0.0, stop_at - began)
        stopped = False
        try:
            output, _ = process.communicate(timeout=waits)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate()
            stopped = True
        except BaseException:
            process.terminate()
            raise
    seconds = time.monotonic() - began
    if stopped and process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM):
        raise OutOfTime(seconds)
    if process.returncode != 0:
        raise RuntimeError(f"{shlex.join(argv)} ended with {process.returncode}:\n{output[-2000:]}")
    return seconds


def run_chronas(key: str, start: Sequence[str], folder: Path, record: Record) -> tuple[float, int]:
    """A run as a real process, over several calls where need be: seconds in all, number of processes.

    A call whose time is over stops the run with SIGTERM; the next call goes on with `chronas resume`.
    """
    words = chronas("resume", folder, "--quiet") if (folder / "spec.json").exists() else list(start)
    try:
        seconds = run_process(words, record, record.deadline)
    except OutOfTime as stop:
        if (folder / "spec.json").exists():
            record.part(key, float(stop.args[0]))
        raise
    return seconds + sum(record.parts(key)), 1 + len(record.parts(key))


def conduct(start: Callable[[], Any], folder: Path, record: Record, data: Any = None) -> Mapping[str, Any]:
    """A run inside this process: started with `start`, or gone on with where `folder` holds one. Its result.

    When the call's time is over the run is interrupted as by Ctrl-C, and OutOfTime is raised.
    """
    from chronas import api

    record.check_time()
    timer = None
    if not math.isinf(record.deadline):
        timer = threading.Timer(record.deadline - time.monotonic(), os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()
    try:
        exists = (folder / "spec.json").exists()
        done = api.resume(folder, data=data) if exists else start()
    except KeyboardInterrupt as stop:
        raise OutOfTime from stop
    finally:
        if timer is not None:
            timer.cancel()
    if done.interrupted:
        raise OutOfTime
    result: Mapping[str, Any] = done.result
    return result


def journal(folder: Path) -> list[dict[str, Any]]:
    """The logical journal of a run: what a resume did again is left out."""
    from chronas.runs.folder import RunFolder

    return RunFolder.open(folder).journal.records()
