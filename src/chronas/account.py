"""Where the time and the counts of a run went; writes that, with what was found, into result.json and report."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from chronas.budget import Ledger, Slowest
from chronas.context import Context
from chronas.errors import RunError
from chronas.reports.html import write_report

EXIT_SECONDS = 0.2
"""What showing the result and leaving the process take on an idle machine, kept back of every time budget."""
FILING_SECONDS, FILES = 0.15, 8
"""For packing a model and counting a network's cost; and how many files wait for the disk."""
MOST_SLOWNESS = 4.0
REPORT_SECONDS = 0.5
"""What writing the report is taken to cost until it is known."""
RIVAL = "train rival"
"""The stage that is no part of the user's budget."""


class Account:
    """`result`, the content of result.json, goes on from what an earlier process wrote.

    report_seconds  what writing the report takes, measured when it is first written
    slowness        how much longer things take here because others use the processors too (`RunClock.slowness`)
    """

    def __init__(self, context: Context) -> None:
        self.folder, self.clock, self.context = context.folder, context.clock, context
        self._reloaded = 0.0
        self._reloaded_within = 0.0
        self.result = self._old_result() or self._new_result()
        self.report_seconds = REPORT_SECONDS
        self._writing = Slowest()
        self.slowness = min(MOST_SLOWNESS, self.clock.slowness)
        self._reported_at = -math.inf
        self._running: tuple[str, Ledger] | None = None

    def writing_took(self, seconds: float) -> None:
        """A small file of the run took `seconds` to be written."""
        self._writing.took(seconds)

    @property
    def filing_seconds(self) -> float:
        """What the files at the end of a training take to be written here: the model, the journal, the result."""
        return FILING_SECONDS * self.slowness + FILES * self._writing.seconds

    @property
    def exit_seconds(self) -> float:
        """What leaving the process takes here."""
        return EXIT_SECONDS * self.slowness

    def begin(self, name: str, ledger: Ledger) -> None:
        """The stage `name` runs on `ledger` from now on."""
        self._running = (name, ledger)
        # Data that is loaded anew in the middle of a stage takes that stage's time.
        earlier = self.result["budget"]["stages"].get(name, {}).get("reloaded", 0.0)
        self._reloaded_within = earlier + (self._reloaded if ledger.started < self.clock.carried else 0.0)

    def end(self, name: str, ledger: Ledger) -> None:
        """A stage has ended: what it brought is on the disk before the next one begins."""
        self._running = None
        self._book(name, ledger)
        self._write()

    def close(self, status: str) -> None:
        """The run has ended; the report is still to be written."""
        self.result["status"] = status
        if self._running:
            self._book(*self._running)
        self._write()

    @property
    def report_due(self) -> bool:
        """Whether to write the report: it may cost a fortieth of the time so far."""
        return self.clock() - self._reported_at > max(5.0, 40 * self.report_seconds)

    def report(self) -> None:
        """Write result.json and the report as things stand."""
        began = self.clock()
        if self._running:
            self._book(*self._running)
        self._write()
        write_report(self.folder.path)
        self._reported_at = self.clock()
        self.report_seconds = max(0.2, 1.5 * (self._reported_at - began))

    def _write(self) -> None:
        self._add_up()
        began = self.clock()
        self.folder.write_result(self.result)
        self.writing_took(self.clock() - began)

    def _book(self, name: str, ledger: Ledger) -> None:
        """Put the account of a stage into its own entry: a stage that goes on later is not counted twice."""
        stages = self.result["budget"]["stages"]
        loading = stages["load data"]["seconds"]["load data"] if ledger.started == 0.0 else self._reloaded_within
        own = max(0.0, ledger.seconds - sum(ledger.where.values()) - loading)
        stages[name] = {"seconds": {name: own, **ledger.where}, "evaluations": ledger.counts["evaluations"],
                        "epochs": ledger.counts["epochs"], "reloaded": self._reloaded_within}  # fmt: skip

    def _add_up(self) -> None:
        """The sums over all stages but the rival's, which is extra and named apart."""
        budget = self.result["budget"]
        stages = [stage for name, stage in budget["stages"].items() if name != RIVAL]
        where: dict[str, float] = {}
        for stage in stages:
            for place, seconds in stage["seconds"].items():
                where[place] = where.get(place, 0.0) + seconds
        budget["where"] = where
        for count in ("evaluations", "epochs"):
            budget[count] = sum(stage[count] for stage in stages)
        rival = budget["stages"].get(RIVAL)
        budget["rival_seconds"] = sum(rival["seconds"].values()) if rival else None
        budget["seconds"] = self.clock()
        own = budget["seconds"] - (budget["rival_seconds"] or 0.0)
        budget["spent"] = own if budget["unit"] == "seconds" else budget[budget["unit"]]
        shares = [r["metrics"]["exploration"] for r in self.folder.journal.records()
                  if r["kind"] == "outcome" and "exploration" in r["metrics"]]  # fmt: skip
        budget["exploration_share"] = sum(shares) / len(shares) if shares else None

    def _old_result(self) -> dict[str, Any] | None:
        """What an earlier process wrote, with this one's loading added."""
        result = self.folder.read_result()
        if result is None:
            return None
        try:
            loading = result["budget"]["stages"]["load data"]["seconds"]
            self._reloaded = self.clock() - self.clock.carried
            loading["load data"] += self._reloaded
            lacking = {"data", "search", "networks"} - set(result)
            if lacking:
                raise KeyError(*lacking)
        except (KeyError, TypeError) as error:
            raise RunError(
                f"{self.folder.path / 'result.json'} is damaged: {error}. Restore it from a copy, or delete it: "
                "what it held is then worked out again from the snapshots."
            ) from error
        return {**result, "status": "running"}

    def _new_result(self) -> dict[str, Any]:
        loading = self.clock() - self.clock.carried
        return {
            "format": 1,
            "data": self.context.data.summary(),
            "budget": {**dataclasses.asdict(self.context.spec.budget), "spent": 0.0, "seconds": 0.0,
                       "rival_seconds": None, "evaluations": 0, "epochs": 0.0, "where": {}, "exploration_share": None,
                       "stages": {"load data": {
                           "seconds": {"load data": loading}, "evaluations": 0, "epochs": 0.0}}},
            "search": None,
            "networks": [],
            "unfinished": None,
            "status": "running",
        }  # fmt: skip
