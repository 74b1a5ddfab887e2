"""What is known of a run from its journal records so far, in numbers and in words for a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chronas.budget import Budget, format_seconds

SHOWN_APART = ("images_per_second", "step_seconds", "lr", "epoch", "exploration", "entropy", "p1")
"""Metrics with words of their own; other ones are shown by name."""


class RunState:
    """Follows the records of a run.

    budget    what was given, once spec.json could be read
    stage     the stage's word in the journal, "" before the first; `progress` of it in [0, 1]
    metrics   of the newest slice or evaluation; replaced, never changed, so another thread may read along
    best      notation of the best architecture so far; `best_accuracy` on validation images (percent)
    """

    def __init__(self) -> None:
        self.budget: Budget | None = None
        self.about = self.start_words = ""
        self.stage, self.progress, self.began = "", 0.0, 0.0
        self.metrics: Mapping[str, Any] = {}
        self.best, self.best_accuracy = "", None
        self._judged: dict[int, bool] = {}  # by ticket, whether it failed; a resumed run hands tickets out again
        self.whole = False  # whether the newest outcome judged one network, not the shared weights
        self.time = 0.0
        self.running = False
        self._heard_at = time.monotonic()
        self._spent: dict[str, float] = {}
        self._ended: set[str] = set()
        self.searching = False

    @property
    def evaluations(self) -> int:
        """Networks that the search has judged."""
        return len(self._judged)

    @property
    def failures(self) -> int:
        """How many of them failed."""
        return sum(self._judged.values())

    def read_spec(self, run: Path) -> None:
        """Take budget, space and method from the run's spec.json, where that is there and readable."""
        try:
            spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
            self.budget = Budget(spec["budget"]["amount"], spec["budget"]["unit"])
            self.about = (
                f"{spec['method']} in {spec['space']}" if spec["verb"] != "train" else f"recipe {spec['recipe']}"
            )
        except (OSError, ValueError, KeyError, TypeError):
            self.budget = None

    def hear(self, record: Mapping[str, Any]) -> None:
        """Take one journal record in."""
        self.time, self._heard_at, self.running = float(record["t"]), time.monotonic(), True
        handler = getattr(self, f"_hear_{record['kind']}", None)
        if handler is not None:
            handler(record)

    def _hear_start(self, record: Mapping[str, Any]) -> None:
        versions, threads = record.get("versions", {}), record.get("threads", 0)
        where = f"{record.get('device')} with {threads} thread{'s' if threads != 1 else ''}"
        about = f"{self.about}, " if self.about else ""
        self.start_words = f"{about}on {where}, torch {versions.get('torch')}"

    def _hear_stage(self, record: Mapping[str, Any]) -> None:
        if record["event"] == "begin":
            self._enter(record)
        else:
            self._ended.add(record["stage"])

    def _enter(self, record: Mapping[str, Any]) -> None:
        self.stage, self.progress, self.metrics = record["stage"], 0.0, {}
        self.began = float(record.get("started", record["t"]))
        self.searching = record.get("what", "search" if self.stage == "search" else "train") == "search"

    def _hear_outcome(self, record: Mapping[str, Any]) -> None:
        self._place(record)
        self.whole = record["work"]["work"] == "evaluate"
        if self.whole:
            self._judged[record["ticket"]] = record["error"] is not None
        if record["error"] is None:
            self.metrics = record["metrics"]

    def _hear_epoch(self, record: Mapping[str, Any]) -> None:
        self._place(record)
        # Validation images are looked at now and then; the last look stays in view.
        kept = {k: v for k, v in self.metrics.items() if k.startswith("val_")}
        self.metrics = {**kept, **record["metrics"]}

    def _place(self, record: Mapping[str, Any]) -> None:
        if record["stage"] != self.stage:  # resumed in the middle of a stage
            self._enter({**record, "what": "search" if record["kind"] == "outcome" else "train"})
        self.progress = float(record["progress"])
        self._spent[self.stage] = float(record["spent"])

    def _hear_best(self, record: Mapping[str, Any]) -> None:
        if self.searching:
            self.best = record["notation"]
            accuracy = record["metrics"].get("val_accuracy")
            self.best_accuracy = accuracy if self.whole else None

    def _hear_end(self, record: Mapping[str, Any]) -> None:
        self.running = False

    def ends_stage(self, record: Mapping[str, Any]) -> str:
        """The line that closes the present stage, if `record`, not heard yet, ends it; else ""."""
        if not self.stage or self.stage in self._ended or not self.running:
            return ""
        kind = record["kind"]
        done = (kind == "end" and record["reason"] == "finished") or (
            kind == "stage" and (record["event"] == "end") == (record["stage"] == self.stage)
        )
        if not done:
            return ""
        self._ended.add(self.stage)
        seconds = format_seconds(max(0.0, float(record["t"]) - self.began))
        shown = ["best"] if self.searching else []
        if not self.searching or not self.evaluations:
            shown.append("accuracy")
        words = [word for name, word in self.facts() if name in shown]
        return f"{clock_words(record['t'])}  {self.stage_title} done in {seconds}: {'  '.join(words)}".rstrip(": ")

    @property
    def stage_title(self) -> str:
        """The present stage in a word or two."""
        return f"train {self.stage}" if self.stage and not self.searching else self.stage

    @property
    def given(self) -> float | None:
        """The budget's amount, in its unit."""
        return self.budget.amount if self.budget else None

    def used(self, now: float) -> float:
        """What is used of the budget, the rival left out; `now` is a time.monotonic() reading."""
        if self.budget is None or self.budget.unit != "seconds":
            return sum(amount for stage, amount in self._spent.items() if stage != "rival")
        seconds = self.time + (now - self._heard_at if self.running else 0.0)
        return min(seconds, self.began) if self.stage == "rival" else seconds

    def budget_words(self, used: float) -> str:
        """ "47.1 s of 2m 00s", "3.2 of 50 epochs"."""
        if self.budget is None:
            return ""
        if self.budget.unit == "seconds":
            return f"{format_seconds(used)} of {self.budget}"
        return f"{used:.3g} of {self.budget}"

    def facts(self) -> list[tuple[str, str]]:
        """Rows of (name, words) about the present moment, those without content left out."""
        rows = [
            ("accuracy", self._accuracy()),
            ("best", self._best()),
            ("now", self._doing()),
            ("rate", self._rate()),
        ]
        return [(name, words) for name, words in rows if words]

    def _accuracy(self) -> str:
        parts = [("train", "train_accuracy"), ("val", "val_accuracy")]
        shown = [f"{word} {self.metrics[key]:.1f} %" for word, key in parts if number(self.metrics.get(key))]
        words = "  ".join(shown)
        if not words or not self.searching:
            return words
        return f"candidate {words}" if self.whole else f"{words} (shared weights)"

    def _best(self) -> str:
        if not self.best or self.stage not in ("search", "found"):
            return ""
        return self.best + (f" (val {self.best_accuracy:.1f} %)" if number(self.best_accuracy) else "")

    def _doing(self) -> str:
        metrics, words = self.metrics, []
        if number(metrics.get("exploration")):
            words.append(f"exploring {100 * metrics['exploration']:.0f} %")
        if number(metrics.get("entropy")):
            words.append(f"entropy {metrics['entropy']:.2f}")
        if self.evaluations and self.searching:
            failed = f", {self.failures} failed" if self.failures else ""
            words.append(f"{self.evaluations} evaluated{failed}")
        if number(metrics.get("epoch")):
            words.append(f"epoch {metrics['epoch']:.1f}")
        if number(metrics.get("lr")):
            words.append(f"lr {metrics['lr']:.3g}")
        words += [
            f"{name.replace('_', ' ')} {value:.3g}"
            for name, value in metrics.items()
            if _unknown(name) and number(value)
        ]
        return "  ".join(words)

    def _rate(self) -> str:
        rate = self.metrics.get("images_per_second")
        return f"{rate:,.0f} images/s" if number(rate) else ""


def _unknown(name: str) -> bool:
    """Whether a metric has no words of its own; one per layer ("entropy_3") is too many for a line."""
    numbered = name.rpartition("_")[2].isdigit()
    return name not in SHOWN_APART and not numbered and not name.startswith(("train_", "val_"))


def number(value: object) -> bool:
    """Whether `value` is a number that can be shown."""
    return isinstance(value, int | float) and value == value


def clock_words(seconds: float) -> str:
    """A time on the run's clock, as wide as others: "  12.3 s"."""
    return format_seconds(seconds).rjust(8)


def stage_line(state: RunState) -> str:
    """One plain line about the present moment."""
    rows = state.facts()
    named = [f"best {words}" if name == "best" else words for name, words in rows if name != "best" or state.searching]
    words = "  ".join(named)
    return f"{clock_words(state.time)}  {state.stage_title} {100 * state.progress:3.0f} %  {words}"
