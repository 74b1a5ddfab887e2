"""The stage that searches: from method and supernet to the best architecture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from chronas import nets
from chronas.account import Account
from chronas.architecture import Architecture
from chronas.budget import Ledger
from chronas.context import Context
from chronas.deploy.bundle import remove_bundle
from chronas.driver import Driver, Reason, Stage
from chronas.errors import NothingEvaluatedError
from chronas.execution.inline import InlineExecutor
from chronas.front import front_rows, write_front
from chronas.methods import METHODS
from chronas.methods.base import Method
from chronas.parts import make_method
from chronas.runs.best import judged
from chronas.seeding import stream, torch_scope
from chronas.settings import resolve
from chronas.spaces.moves import sample
from chronas.training.evaluators import SharedWeights, ShortTraining, SupernetSlices
from chronas.training.network import plan
from chronas.training.scores import UntrainedScore
from chronas.training.supernet import Slice, SupernetSettings, SupernetTrainer
from chronas.training.unfinished import Unfinished, stopped
from chronas.unfinished import Keeper
from chronas.windows import Windows
from chronas.work import Choices, Evaluate, Work

CLOSING_SECONDS = 0.3
"""Kept back of the search's time for writing down what it found."""
FORESIGHT_SECONDS = 60
"""A shorter run does not begin processes that score ahead: on two cores they would hardly earn what beginning costs."""


class SearchStage:
    """Runs the search of one run."""

    def __init__(self, context: Context, account: Account, windows: Windows, keeper: Keeper) -> None:
        self.context, self.account, self.windows, self.keeper = context, account, windows, keeper
        self.space, self.folder = context.space, context.folder
        self._closing = ExitStack()

    def run(self) -> Reason:
        """Search, unless that is done; returns "interrupted" when asked to stop. Raises TrainingError, RunError."""
        if self.account.result["search"] is not None:
            return "finished"
        context = self.context
        ledger = self.windows.ledger("search", CLOSING_SECONDS * self.account.slowness)
        self.account.begin("search", ledger)
        method = make_method(context.spec, self.space)
        executor, recover = self._executor(method, ledger)
        stage = Stage("search", method, executor, ledger, context.clock, on_best=self._on_best,
                      on_slice=self._on_slice, recover=recover)  # fmt: skip
        self.keeper.begin("search", self.space, lambda: self._networks(method, executor, ledger))
        with self._closing:
            reason = Driver(self.folder, stage, context.stop, list(context.listeners)).run()
        if reason == "interrupted":
            self.keeper.keep()
        self._inspect(method, ledger.progress)
        if reason == "finished":
            self._conclude(method)
            if context.spec.verb == "fit":
                ended = stopped(ledger)
                self.keeper.carry(lambda: self._networks(method, executor, ended))
            else:
                self._drop_unfinished()
            context.record({"kind": "stage", "stage": "search", "event": "end", "name": "search", "what": "search",
                            "spent": ledger.spent})  # fmt: skip
        self.account.end("search", ledger)
        return reason

    def _networks(self, method: Method, executor: InlineExecutor, ledger: Ledger) -> list[Unfinished]:
        """What has been trained so far."""
        try:
            best = method.best()
        except NothingEvaluatedError:
            best = None
        return executor.unfinished(best, ledger)

    def _drop_unfinished(self) -> None:
        """A search leaves no network: what an interruption had left was the training so far, which is over."""
        remove_bundle(self.folder.model_folder)
        self.account.result["unfinished"] = None
        self.keeper.end()

    def _conclude(self, method: Method) -> None:
        spec, best = self.context.spec, self._best_of(method)
        metrics = judged(self.folder, "search", best)
        self._on_best(best, metrics)
        architecture = Architecture(self.space, best)
        cost = nets.cost(architecture, self.context.data.task)
        self.account.result["search"] = {
            "space": spec.space, "space_settings": dataclasses.asdict(self.space.settings), "method": spec.method,
            "method_settings": dataclasses.asdict(method.settings), "seed": spec.seed, "choices": list(best),
            "notation": architecture.notation, "metrics": metrics, "params": cost.params,
            "madds": cost.madds, "front": front_rows(method, self.space, self.context.data.task),
        }  # fmt: skip

    def _best_of(self, method: Method) -> Choices:
        """What the search found. A `fit` whose time ran out before anything was judged goes on all the same."""
        spec = self.context.spec
        try:
            return method.best()
        except NothingEvaluatedError:
            if spec.verb == "search":
                raise
        asked = method.ask(1, 0.0)
        work = asked[0] if asked else None
        first = work.choices if isinstance(work, Evaluate) else sample(self.space, stream(spec.seed, "unjudged"))
        message = f"There was no time to judge any network: {self.space.notation(first)} is taken unjudged."
        self.context.record({"kind": "note", "stage": "search", "level": "warning", "message": message})
        return first

    def _executor(self, method: Method, ledger: Ledger) -> tuple[InlineExecutor, Callable[[], str] | None]:
        """What runs the method's work, and how to recover where a supernet's training fails."""
        context, spec = self.context, self.context.spec
        short = ShortTraining(self.space, context.data, context.recipe, context.hardware, spec.seed)
        needs = METHODS.entry(spec.method).needs
        scores = {}
        if "proxy" in needs:
            scores["proxy"] = UntrainedScore(self.space, context.data, context.hardware, spec.seed,
                                             upcoming=self._foresight(method))  # fmt: skip
            self._closing.callback(scores["proxy"].close)
        if "supernet" not in needs:
            return InlineExecutor(None, {"train": short, **scores}), None
        settings = resolve(SupernetSettings, spec.settings.get("supernet", {}), prefix="supernet")
        with torch_scope(spec.seed, "init", "supernet"):
            net = nets.build_supernet(self.space, context.data.task)
        trainer = SupernetTrainer(net, method, context.data, plan(context.data, context.recipe),  # type: ignore[arg-type]
                                  settings, context.hardware, spec.seed)  # fmt: skip

        def calm() -> str:
            trainer.lr_scale /= 2
            return "the learning rate is halved from here on."

        slices = SupernetSlices(trainer, _slice(ledger, trainer.epoch_steps))
        return InlineExecutor(slices, {"train": short, "shared": SharedWeights(trainer), **scores}), calm

    def _foresight(self, method: Method) -> Callable[[int], Sequence[Work]]:
        """What the method asks for next, where there is the time to begin processes for it."""
        budget = self.context.spec.budget
        short = budget.unit == "seconds" and budget.amount < FORESIGHT_SECONDS
        return (lambda count: ()) if short else method.upcoming

    def _on_best(self, choices: Choices, metrics: Mapping[str, float]) -> None:
        architecture = Architecture(self.space, choices)
        self.folder.write_best({"format": 1, "architecture": architecture.to_json(), "notation": architecture.notation,
                                "choices": list(choices), "metrics": dict(metrics)})  # fmt: skip

    def _on_slice(self, method: Method, progress: float) -> None:
        if self.account.report_due:
            self._inspect(method, progress)
            self.account.report()

    def _inspect(self, method: Method, progress: float) -> None:
        seen = method.inspect()
        best = self.folder.read_best()
        front = front_rows(method, self.space, self.context.data.task)
        write_front(self.folder.path, self.space, front)
        self.folder.write_inspect(
            {
                "format": 1,
                "space": self.space.name,
                "settings": dataclasses.asdict(self.space.settings),
                "decisions": [{"name": d.name, "options": list(d.options)} for d in self.space.decisions],
                "tables": {name: [list(row) for row in table] for name, table in seen.tables.items()},
                "choices": best["choices"] if best else None,
                "front": front,
                "progress": progress,
                "message": seen.message,
            }
        )


def _slice(ledger: Ledger, epoch_steps: int) -> Slice:
    """About a hundred slices in a stage: none longer than an epoch or half a minute."""
    if ledger.budget.unit == "seconds":
        return Slice(seconds=min(30.0, max(0.4, ledger.budget.amount / 100)))
    return Slice(steps=max(1, min(epoch_steps, round(ledger.budget.amount * epoch_steps / 100))))
