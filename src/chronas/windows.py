"""What each stage of a run gets of the budget: its window on the run's clock, and its ledger."""

from __future__ import annotations

from chronas.account import Account
from chronas.budget import Budget, Ledger
from chronas.context import Context


class Windows:
    """Shares the budget out.

    The search gets its share; the found network and the baselines get the rest in equal parts; the rival gets,
    on top of the budget, as much as the search and the found network together.
    """

    def __init__(self, context: Context, account: Account) -> None:
        self.context, self.account = context, account

    def window(self, name: str) -> tuple[float, float]:
        """Start and length of a stage, as shares of the whole budget."""
        spec = self.context.spec
        searching = {"search": 1.0, "train": 0.0, "fit": spec.search_share}[spec.verb]
        alike = ("found", *spec.baselines)
        each = (1 - searching) / len(alike)
        if name == "search":
            return 0.0, searching
        if name == "rival":
            return 1.0, searching + each
        return searching + alike.index(name) * each, each

    def ledger(self, name: str, closing: float, epochs: float | None = None) -> Ledger:
        """The ledger of a stage; journals the stage's beginning, where it has not begun yet.

        Time budgets are deadlines on the run's clock; `closing` seconds of them are kept back. `epochs` bounds a
        stage with a time budget further: it ends when either is used up.
        """
        start, length = self.window(name)
        budget, clock, started = self.context.spec.budget, self.context.clock, self._started(name)
        if budget.unit != "seconds":
            return Ledger(Budget(budget.amount * length, budget.unit), clock=clock, started=started)
        loaded = self._loaded
        # What all stages share: loading, the report and leaving the process come off first.
        shared = budget.amount - loaded - self.account.report_seconds - self.account.exit_seconds
        amount = length * shared if name == "rival" else loaded + (start + length) * shared - started
        bound = None if epochs is None else Ledger(Budget(epochs, "epochs"), clock=clock, started=started)
        made = Ledger(
            Budget(max(amount, 1e-3), "seconds"), clock=clock, started=started, reserve=closing, alongside=bound,
            opening=loaded if started == 0.0 else 0.0,
        )  # fmt: skip
        if bound is not None:
            # One training with two limits: what is charged to it, or restored, counts for both.
            bound.counts = made.counts
        return made

    @property
    def _loaded(self) -> float:
        """When the data was loaded, on the run's clock."""
        return next(float(r["t"]) for r in self.context.folder.journal.records() if r["kind"] == "start")

    def worked(self, name: str) -> bool:
        """Whether the journal tells of any work in a stage, beyond its beginning."""
        kinds = ("snapshot", "outcome", "epoch")
        return any(r["kind"] in kinds and r["stage"] == name for r in self.context.folder.journal.records())

    def _started(self, name: str) -> float:
        """When a stage began on the run's clock: where its journal says so, else now."""
        for record in self.context.folder.journal.records():
            if record["kind"] == "stage" and record["name"] == name and record["event"] == "begin":
                return float(record["started"])
        # The search's clock starts with the run: loading counts.
        first = name == "search" or (name == "found" and self.context.spec.verb == "train")
        started = 0.0 if first else self.context.clock()
        self.context.record({"kind": "stage", "stage": name, "event": "begin", "name": name, "started": started,
                             "what": "search" if name == "search" else "train"})  # fmt: skip
        return started
