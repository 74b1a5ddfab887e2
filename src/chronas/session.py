"""One run from its spec: load the data, go through the stages, test once, write the result.

The stages of a `fit` are the search, the training of the found network, the baselines trained alike, and the
rival. Each is driven by the same loop (`chronas.driver`), each can be cut off and resumed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch

import chronas
from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.budget import Budget, Ledger, RunClock
from chronas.data.images import ImageData
from chronas.deploy.bundle import Bundle, save_bundle
from chronas.driver import Driver, Listener, Reason, Stage
from chronas.errors import ChronasError, NothingEvaluatedError, RunError, UsageError
from chronas.execution.inline import InlineExecutor
from chronas.execution.interrupt import StopFlag
from chronas.methods import METHODS
from chronas.methods.base import Method
from chronas.methods.single import TrainOne
from chronas.reports.html import write_report
from chronas.runs.folder import RunFolder
from chronas.seeding import derive, stream, torch_scope
from chronas.settings import resolve
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.spaces.resnet import RIVAL
from chronas.spec import RunSpec
from chronas.training.evaluators import SharedWeights, ShortTraining, SupernetSlices
from chronas.training.hardware import Hardware
from chronas.training.judge import judge
from chronas.training.network import NetworkTrainer, plan, seeded_network
from chronas.training.recipes import Recipe, recipe
from chronas.training.supernet import Slice, SupernetSettings, SupernetTrainer
from chronas.work import Choices, Evaluate

EXIT_SECONDS = 0.5
"""What leaving the process takes, kept back of every time budget."""
REPORT_SECONDS = 0.5
"""What writing the report is taken to cost until it is known."""
E = TypeVar("E", bound=Literal["finished", "interrupted", "failed"])


@dataclass(frozen=True)
class Network:
    """A network to train: its stage, the words for people, and the architecture."""

    name: str
    title: str
    architecture: Architecture


class Session:
    """Works on one run folder. `run` goes through all stages that are not done yet."""

    def __init__(
        self, folder: RunFolder, spec: RunSpec, data: ImageData, *, clock: RunClock, stop: StopFlag,
        listeners: list[Listener],
    ) -> None:  # fmt: skip
        self.folder, self.spec, self.clock, self.stop, self.listeners = folder, spec, clock, stop, listeners
        self.hardware = Hardware.find(spec.device, spec.precision)  # type: ignore[arg-type]
        self.data = data.to(self.hardware.device) if self.hardware.kind == "cuda" else data
        self.space: Space = make_space(spec.space, spec.settings.get("space", {}))
        self.recipe = make_recipe(spec)
        self.result = self._old_result() or self._new_result()
        self.report_seconds = REPORT_SECONDS
        self._reported_at = -math.inf
        self._running: tuple[str, Ledger] | None = None

    # -- the whole run ---------------------------------------------------------------------------------

    def run(self) -> Reason:
        """Go through the stages; returns "interrupted" when asked to stop, with everything written.

        A failure is written down as far as the disk allows, and raised.
        """
        try:
            return self._close(self._stages())
        except ChronasError as failure:
            # The failure itself is what the user must hear of, also where the disk takes no more.
            with contextlib.suppress(ChronasError):
                self._close("failed", str(failure))
            raise

    def _stages(self) -> Reason:
        self._record({"kind": "start", "stage": "run", "format": 1, "versions": versions(),
                      "device": self.hardware.device, "threads": torch.get_num_threads()})  # fmt: skip
        reason: Reason = "finished"
        if self.spec.verb != "train":
            reason = self._search()
        if reason == "finished" and self.spec.verb != "search":
            reason = self._trainings()
        return reason

    def _close(self, reason: E, message: str = "done") -> E:
        self.result["status"] = reason
        self._account()
        if reason == "interrupted":
            message = "stopped on request; go on with `chronas resume`"
        self._record({"kind": "end", "stage": "run", "reason": reason, "message": message})
        self.folder.write_result(self.result)
        self._report(force=True)
        return reason

    def _trainings(self) -> Reason:
        for network in self._networks():
            if self._train(network) == "interrupted":
                return "interrupted"
        return "finished"

    def _networks(self) -> list[Network]:
        found = self._found()
        networks = [Network("found", "found by the search", found)]
        if "random" in self.spec.baselines:
            drawn = sample(self.space, stream(self.spec.seed, "baseline", "random"))
            networks.append(Network("random", "drawn at random from the space", Architecture(self.space, drawn)))
        usual = self.space.plain()
        if "plain" in self.spec.baselines and usual is not None:
            networks.append(Network("plain", "the customary choice in every layer", Architecture(self.space, usual)))
        if self.spec.rival:
            space = make_space("resnet")
            networks.append(
                Network("rival", "hand-made residual network, same time", Architecture(space, space.parse(RIVAL)))
            )
        return networks

    def _found(self) -> Architecture:
        if self.spec.architecture is not None:
            return Architecture.from_json(self.spec.architecture)
        best = self.folder.read_best()
        if best is None:
            raise RunError(f"{self.folder.path} has no best architecture yet: its search ended before the first slice.")
        return Architecture.from_json(best["architecture"])

    # -- budgets ---------------------------------------------------------------------------------------

    def _window(self, name: str) -> tuple[float, float]:
        """Start and end of a stage, as shares of the whole budget."""
        spec = self.spec
        if name == "search":
            return (0.0, 1.0 if spec.verb == "search" else spec.search_share)
        alike = [n for n in ("found", *spec.baselines)]
        start = 0.0 if spec.verb == "train" else spec.search_share
        width = (1 - start) / len(alike)
        if name == "rival":
            return (1.0, 2.0)
        place = alike.index(name)
        return (start + place * width, start + (place + 1) * width)

    def _ledger(self, name: str, closing: float) -> Ledger:
        """The ledger of a stage. Time budgets are deadlines on the run's clock; `closing` seconds are kept back."""
        start, end = self._window(name)
        budget = self.spec.budget
        if budget.unit != "seconds":
            amount = budget.amount if name == "rival" else budget.amount * (end - start)
            return Ledger(Budget(amount, budget.unit), clock=self.clock, started=self._started(name))
        started = self._started(name)
        if name == "rival":
            # A user without the search would also load the data and write the result in that time.
            amount = budget.amount - float(self.result["budget"]["stages"]["load data"]["seconds"]["load data"])
        else:
            amount = self._deadline(end) - started
        last = name == "rival" or end >= 1
        reserve = closing + (self.report_seconds + EXIT_SECONDS if last else 0.0)
        return Ledger(Budget(max(amount, 1e-3), "seconds"), clock=self.clock, started=started, reserve=reserve)

    def _deadline(self, share: float) -> float:
        """The reading of the run's clock at `share` of the budget: shares are of what loading left."""
        loaded = next(float(r["t"]) for r in self.folder.journal.records() if r["kind"] == "start")
        return loaded + share * (self.spec.budget.amount - loaded)

    def _started(self, name: str) -> float:
        """When a stage began on the run's clock: where its journal says so, else now."""
        for record in self.folder.journal.records():
            if record["kind"] == "stage" and record["name"] == name and record["event"] == "begin":
                return float(record["started"])
        # The search's clock starts with the run: loading counts.
        started = 0.0 if name == "search" or (name == "found" and self.spec.verb == "train") else self.clock()
        self._record({"kind": "stage", "stage": name, "event": "begin", "name": name, "started": started,
                      "what": "search" if name == "search" else "train"})  # fmt: skip
        return started

    # -- searching -------------------------------------------------------------------------------------

    def _search(self) -> Reason:
        if self.result["search"] is not None:
            return "finished"
        spec = self.spec
        ledger = self._ledger("search", 0.3)
        self._running = ("search", ledger)
        method = make_method(spec, self.space)
        executor = self._search_executor(method, ledger)
        stage = Stage("search", method, executor, ledger, self.clock, on_best=self._on_best,
                      on_slice=self._on_slice, recover=self._calm(executor))  # fmt: skip
        driver = Driver(self.folder, stage, self.stop, self.listeners)
        reason = driver.run()
        self._inspect(method, ledger.progress)
        if reason == "finished":
            best = self._best_of(method)
            self._on_best(best, {})
            architecture = Architecture(self.space, best)
            cost = nets.cost(architecture, self.data.task)
            self.result["search"] = {
                "space": spec.space, "space_settings": dataclasses.asdict(self.space.settings), "method": spec.method,
                "method_settings": dataclasses.asdict(method.settings), "seed": spec.seed, "choices": list(best),
                "notation": architecture.notation, "metrics": self._last_metrics(), "params": cost.params,
                "madds": cost.madds,
            }  # fmt: skip
        self._booked("search", ledger)
        return reason

    def _best_of(self, method: Method) -> Choices:
        """What the search found. A `fit` whose time ran out before anything was judged goes on all the same."""
        try:
            return method.best()
        except NothingEvaluatedError:
            if self.spec.verb == "search":
                raise
        asked = method.ask(1, 0.0)
        work = asked[0] if asked else None
        first = work.choices if isinstance(work, Evaluate) else sample(self.space, stream(self.spec.seed, "unjudged"))
        message = f"There was no time to judge any network: {self.space.notation(first)} is taken unjudged."
        self._record({"kind": "note", "stage": "search", "level": "warning", "message": message})
        return first

    def _search_executor(self, method: Method, ledger: Ledger) -> InlineExecutor:
        short = ShortTraining(self.space, self.data, self.recipe, self.hardware, self.spec.seed)
        if "supernet" not in METHODS.entry(self.spec.method).needs:
            return InlineExecutor(None, {"train": short})
        settings = resolve(SupernetSettings, self.spec.settings.get("supernet", {}), prefix="supernet")
        with torch_scope(self.spec.seed, "init", "supernet"):
            net = nets.build_supernet(self.space, self.data.task)
        trainer = SupernetTrainer(net, method, self.data, plan(self.data, self.recipe), settings,  # type: ignore[arg-type]
                                  self.hardware, self.spec.seed)  # fmt: skip
        slices = SupernetSlices(trainer, self._slice(ledger, trainer.epoch_steps))
        return InlineExecutor(slices, {"train": short, "shared": SharedWeights(trainer)})

    def _slice(self, ledger: Ledger, epoch_steps: int) -> Slice:
        """About a hundred slices in a stage: none longer than an epoch or half a minute."""
        if ledger.budget.unit == "seconds":
            return Slice(seconds=min(30.0, max(0.4, ledger.budget.amount / 100)))
        return Slice(steps=max(1, min(epoch_steps, round(ledger.budget.amount * epoch_steps / 100))))

    def _calm(self, executor: InlineExecutor) -> Any:
        if executor.advancer is None:
            return None

        def calm() -> str:
            trainer = executor.advancer.trainer  # type: ignore[union-attr]
            trainer.lr_scale /= 2
            return "the learning rate is halved from here on."

        return calm

    def _last_metrics(self) -> dict[str, Any]:
        for record in reversed(self.folder.journal.records()):
            if record["stage"] == "search" and record["kind"] == "outcome" and not record["error"]:
                return dict(record["metrics"])
        return {}

    def _on_best(self, choices: Choices, metrics: Mapping[str, float]) -> None:
        architecture = Architecture(self.space, choices)
        self.folder.write_best({"format": 1, "architecture": architecture.to_json(), "notation": architecture.notation,
                                "choices": list(choices), "metrics": dict(metrics)})  # fmt: skip

    def _on_slice(self, method: Method, progress: float) -> None:
        if self.clock() - self._reported_at > max(5.0, 40 * self.report_seconds):
            self._inspect(method, progress)
            self._report()

    def _inspect(self, method: Method, progress: float) -> None:
        seen = method.inspect()
        best = self.folder.read_best()
        self.folder.write_inspect(
            {
                "format": 1,
                "space": self.space.name,
                "settings": dataclasses.asdict(self.space.settings),
                "decisions": [{"name": d.name, "options": list(d.options)} for d in self.space.decisions],
                "tables": {name: [list(row) for row in table] for name, table in seen.tables.items()},
                "choices": best["choices"] if best else None,
                "progress": progress,
                "message": seen.message,
            }
        )

    # -- training --------------------------------------------------------------------------------------

    def _train(self, network: Network) -> Reason:
        if any(entry["name"] == network.name for entry in self.result["networks"]):
            return "finished"
        task, seed = self.data.task, derive(self.spec.seed, "train")
        net = seeded_network(lambda: nets.build(network.architecture, task), seed, "network")
        ledger = self._ledger(network.name, self._closing_seconds(net))
        self._running = (f"train {network.name}", ledger)
        trainer = NetworkTrainer(net, self.data, self.recipe, self.hardware, seed, **self._network_slice(ledger))
        executor = InlineExecutor(trainer, {})
        stage = Stage(network.name, TrainOne(network.architecture), executor, ledger, self.clock, outcome="epoch",
                      recover=trainer.calm, on_slice=lambda method, progress: self._report())  # fmt: skip
        reason = Driver(self.folder, stage, self.stop, self.listeners).run()
        if reason == "finished":
            self._test(network, net, trainer, ledger)
        self._booked(f"train {network.name}", ledger)
        return reason

    def _network_slice(self, ledger: Ledger) -> dict[str, Any]:
        if ledger.budget.unit == "seconds":
            return {"slice_seconds": min(30.0, max(0.4, ledger.budget.amount / 60))}
        return {}

    def _closing_seconds(self, net: torch.nn.Module) -> float:
        """What judging `net` on validation and test images will take, measured on a few hundred of them."""
        few = dataclasses.replace(self.data.val, images=self.data.val.images[:500], labels=self.data.val.labels[:500])
        placed = self.hardware.place(net)
        readings = []
        for _ in range(2):
            began = self.clock()
            judge(
                placed,
                few,
                mean=self.data.mean,
                std=self.data.std,
                classes=len(self.data.classes),
                hardware=self.hardware,
            )
            readings.append(self.clock() - began)
        images = 2 * len(self.data.val) + (len(self.data.test) if self.data.test else 0)
        return 1.2 * min(readings) * images / len(few) + 0.3

    def _test(self, network: Network, net: torch.nn.Module, trainer: NetworkTrainer, ledger: Ledger) -> None:
        """The only place that looks at test images, once per network."""
        final = trainer.finish()
        began = self.clock()
        data, cost = self.data, nets.cost(network.architecture, self.data.task)
        entry: dict[str, Any] = {
            "name": network.name, "title": network.title, "architecture": network.architecture.to_json(),
            "notation": network.architecture.notation, "params": cost.params, "madds": cost.madds,
            "recipe": self.recipe.name, "seconds": ledger.seconds, "epochs": ledger.counts["epochs"],
            "val_accuracy": final["val_accuracy"], "test_accuracy": None, "test_loss": None, "confusion": None,
            "per_class": None,
        }  # fmt: skip
        if data.test is not None:
            seen = judge(
                net, data.test, mean=data.mean, std=data.std, classes=len(data.classes), hardware=self.hardware
            )
            entry |= {"test_accuracy": seen.accuracy, "test_loss": seen.loss, "confusion": seen.confusion,
                      "per_class": seen.per_class(data.classes)}  # fmt: skip
        if network.name == "found":
            metrics = {k: entry[k] for k in ("val_accuracy", "test_accuracy") if entry[k] is not None}
            save_bundle(self.folder.model_folder, Bundle(net, network.architecture, data.task, data.classes, data.mean,
                        data.std, self.spec.data.size, metrics, chronas.__version__))  # fmt: skip
        ledger.charge(where="test", seconds=self.clock() - began)
        self.result["networks"].append(entry)
        self._record({"kind": "stage", "stage": network.name, "event": "end", "name": network.name, "what": "train",
                      "spent": ledger.spent})  # fmt: skip

    # -- writing ---------------------------------------------------------------------------------------

    def _record(self, record: dict[str, Any]) -> None:
        written = self.folder.journal.append({**record, "t": round(self.clock(), 4)})
        for listener in self.listeners:
            listener(written)

    def _report(self, force: bool = False) -> None:
        """Write the report now and then: it may cost a fortieth of the time so far."""
        if not force and self.clock() - self._reported_at < max(5.0, 40 * self.report_seconds):
            return
        began = self.clock()
        if self._running:
            self._book(*self._running)
        self._account()
        self.folder.write_result(self.result)
        write_report(self.folder.path)
        self._reported_at = self.clock()
        self.report_seconds = max(0.2, 1.5 * (self._reported_at - began))

    def _booked(self, name: str, ledger: Ledger) -> None:
        """A stage has ended: what it brought is on the disk before the next one begins."""
        self._running = None
        self._book(name, ledger)
        self._account()
        self.folder.write_result(self.result)

    def _book(self, name: str, ledger: Ledger) -> None:
        """Put the account of a stage into its own entry: a stage that goes on later is not counted twice."""
        budget = self.result["budget"]
        loading = budget["stages"]["load data"]["seconds"]["load data"] if ledger.started == 0.0 else 0.0
        own = max(0.0, ledger.seconds - sum(ledger.where.values()) - loading)
        budget["stages"][name] = {"seconds": {name: own, **ledger.where}, "evaluations": ledger.counts["evaluations"],
                                  "epochs": ledger.counts["epochs"]}  # fmt: skip

    def _account(self) -> None:
        budget = self.result["budget"]
        where: dict[str, float] = {}
        for stage in budget["stages"].values():
            for place, seconds in stage["seconds"].items():
                where[place] = where.get(place, 0.0) + seconds
        budget["where"] = where
        for count in ("evaluations", "epochs"):
            budget[count] = sum(stage[count] for stage in budget["stages"].values())
        budget["spent"] = self.clock() if budget["unit"] == "seconds" else budget[budget["unit"]]
        budget["seconds"] = self.clock()
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
            loading["load data"] += self.clock() - self.clock.carried
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
            "data": self.data.summary(),
            "budget": {**dataclasses.asdict(self.spec.budget), "spent": 0.0, "seconds": 0.0, "evaluations": 0,
                       "epochs": 0.0, "where": {}, "exploration_share": None, "stages": {"load data": {
                           "seconds": {"load data": loading}, "evaluations": 0, "epochs": 0.0}}},
            "search": None,
            "networks": [],
            "status": "running",
        }  # fmt: skip


def check(spec: RunSpec, loading: float) -> None:
    """Raise what is known to be wrong before a run folder is made, so that a misspelt word leaves none behind.

    loading  the seconds that loading the data took. Raises UsageError, EnvironmentFault.
    """
    Hardware.find(spec.device, spec.precision)  # type: ignore[arg-type]
    make_recipe(spec)
    make_method(spec, make_space(spec.space, spec.settings.get("space", {})))
    resolve(SupernetSettings, spec.settings.get("supernet", {}), prefix="supernet")
    budget = spec.budget
    if budget.unit == "evaluations" and (spec.verb != "search" or "supernet" in METHODS.entry(spec.method).needs):
        raise UsageError(f"{budget}: only a search that trains each candidate by itself (random, halving) counts "
                         "evaluations. Give a time or epochs.")  # fmt: skip
    least = 2 * loading + 2 * (EXIT_SECONDS + REPORT_SECONDS) + 5
    if budget.unit == "seconds" and budget.amount < least:
        raise UsageError(f"{budget} is too short: loading took {loading:.1f} s here. The least useful budget is about "
                         f"{math.ceil(least)} s.")  # fmt: skip


def make_recipe(spec: RunSpec) -> Recipe:
    """The recipe of a spec with its settings; raises UsageError."""
    changes = spec.settings.get("recipe", {})
    typed = resolve(Recipe, changes, prefix="recipe")
    return recipe(spec.recipe, {name: getattr(typed, name) for name in changes})


def make_method(spec: RunSpec, space: Space) -> Method:
    """The method of a spec with its settings; raises UsageError."""
    kind = METHODS.load(spec.method)
    settings = resolve(kind.Settings, spec.settings.get("method", {}), prefix="method")
    made: Method = kind(space, settings, derive(spec.seed, "method"))
    return made


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {"chronas": chronas.__version__, "torch": torch.__version__, "python": platform.python_version()}
