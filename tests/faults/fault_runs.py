"""Tiny runs in real processes, and what of two runs must be equal."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from chronas.runs.journal import Journal

CHILD = Path(__file__).with_name("child.py")
SPACE = {"layers": 2, "width": 4, "m": 3}
BUDGETS = {"nasib": "5 epochs", "rsps": "5 epochs", "random": "6 epochs", "halving": "6 epochs"}
SETTINGS = {
    "random": {"candidates": 4}, "halving": {"candidates": 3}, "rsps": {"candidates": 4, "train_share": 0.7},
    "nasib": {"least_passes": 0},
}  # fmt: skip
TIMES = {"seconds", "images_per_second", "step_seconds"}


class Processes:
    """Starts processes that work on runs; one at a time."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._parent = subprocess.Popen(
            [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        atexit.register(self.close)

    def start(self, order: Mapping[str, Any]) -> int:
        """Begin; returns the pid, which stays its own until `finish`, which must follow."""
        log = Path(order["out"]).with_name(Path(order["out"]).name + ".log")
        pid = self._ask(json.dumps({**order, "log": str(log)}))
        # A mistaken 0 or -1 would kill everything.
        assert pid > 1
        return pid

    def finish(self) -> int:
        """Wait for the end; returns the exit code, minus the signal for a killed one."""
        return self._ask("")

    def run(self, order: Mapping[str, Any]) -> int:
        """Begin and wait."""
        self.start(order)
        return self.finish()

    def close(self) -> None:
        """End the parent of all."""
        for pipe in (self._parent.stdin, self._parent.stdout):
            if pipe is not None:
                pipe.close()
        self._parent.wait()

    def _ask(self, line: str) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(line + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())


@functools.cache
def processes() -> Processes:
    return Processes()


def run(order: Mapping[str, Any]) -> int:
    return processes().run(order)


def wait_for(path: Path, seconds: float = 60.0) -> None:
    """Wait until a running process has written `path`."""
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path} was not written in {seconds} s"
        time.sleep(0.01)


def log_of(out: Path) -> str:
    """What the processes on this run said on stderr."""
    return Path(f"{out}.log").read_text(encoding="utf-8")


@functools.cache
def home() -> Path:
    """A folder for what several tests share; it goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="chronas-faults-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def data(seed: int = 0) -> Path:
    """240 grey pictures of 8x8, three classes that a tiny network can tell apart, with noise."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(3), 80))
    images = (random.random((240, 8, 8)) * 150).astype(np.uint8)
    for picture, label in zip(images, labels, strict=True):
        picture[:, 2 * label : 2 * label + 2] += 80
    path = home() / f"tiny-{seed}.npz"
    np.savez(path, x_train=images[:180], y_train=labels[:180], x_test=images[180:], y_test=labels[180:])
    return path


def order(verb: str, method: str, out: Path, **more: Any) -> dict[str, Any]:
    """The words of a run, with traps in `more` (see child.py)."""
    settings = {"space": SPACE, "method": SETTINGS.get(method, {}), **more.pop("settings", {})}
    options = {"space": "superkernel", "method": method, "precision": "float32", "device": "cpu", "settings": settings}
    return {"verb": verb, "data": str(data()), "budget": BUDGETS[method], "out": str(out), "options": options, **more}


@functools.cache
def unbroken(verb: str, method: str) -> Path:
    """The run that nothing disturbed."""
    out = home() / f"{verb}-{method}"
    assert run(order(verb, method, out)) == 0, log_of(out)
    return out


def resumed(out: Path, **traps: Any) -> int:
    return run({"verb": "resume", "out": str(out), **traps})


def start_or_resume(verb: str, method: str, out: Path, **traps: Any) -> int:
    """What a user does after a kill: resume, or start anew where the kill came before there was a run."""
    if (out / "spec.json").exists():
        return resumed(out, **traps)
    return run(order(verb, method, out, **traps))


def read(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / name).read_text(encoding="utf-8"))
    return found


def result(out: Path) -> dict[str, Any]:
    return read(out, "result.json")


def notes(out: Path) -> list[str]:
    """The notes of the stages, those that a resume took back included; not those on how the run was set up."""
    records = Journal(out / "journal.jsonl", write=False).raw()
    return [r["message"] for r in records if r["kind"] == "note" and r["stage"] != "run"]


def decisions(out: Path) -> list[dict[str, Any]]:
    """The journal's decisions and what came of them, without readings of the clock."""
    kept = ("stage", "kind", "ticket", "work", "metrics", "error", "progress", "spent", "choices", "notation")
    found = []
    for record in Journal(out / "journal.jsonl", write=False).records():
        if record["kind"] in ("ask", "outcome", "epoch", "best"):
            own = {key: record[key] for key in kept if key in record}
            own["metrics"] = {k: v for k, v in record.get("metrics", {}).items() if k not in TIMES}
            own["price"] = {k: v for k, v in record.get("price", {}).items() if k not in TIMES}
            found.append(own)
    return found


def assert_same(out: Path, model: Path, *, slices: bool = True) -> None:
    """`out` ended like the run `model`, to the last bit. `slices=False`: but for the journal."""
    ours, theirs = result(out), result(model)
    assert ours["status"] == theirs["status"] == "finished"
    assert {k: v for k, v in (ours["search"] or {}).items() if k != "metrics"} == {
        k: v for k, v in (theirs["search"] or {}).items() if k != "metrics"
    }
    assert read(out, "inspect.json") == read(model, "inspect.json")
    assert read(out, "best.json")["architecture"] == read(model, "best.json")["architecture"]
    for a, b in zip(ours["networks"], theirs["networks"], strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    for count in ("evaluations", "epochs"):
        assert ours["budget"][count] == theirs["budget"][count]
    if slices:
        assert decisions(out) == decisions(model)
    assert (out / "report.html").exists()
    weights = model / "model" / "model.safetensors"
    assert weights.exists() == (out / "model" / "model.safetensors").exists()
    if weights.exists():
        left, right = load_file(out / "model" / "model.safetensors"), load_file(weights)
        assert left.keys() == right.keys()
        assert all(left[name].tobytes() == right[name].tobytes() for name in left)
