"""One run from its spec: go through the stages, and close with the result and the report.

The stages of a `fit` are the search, the training of the found network, the baselines trained alike, and the
rival. Each is driven by the same loop (`chronas.driver`), each can be cut off and resumed.
"""

from __future__ import annotations

import contextlib
import platform
from typing import Literal, TypeVar

import torch

import chronas
from chronas.account import Account
from chronas.architecture import Architecture, make_space
from chronas.budget import RunClock
from chronas.context import Context
from chronas.data.images import ImageData
from chronas.driver import Listener, Reason
from chronas.errors import RunError
from chronas.execution.interrupt import StopFlag
from chronas.runs.folder import RunFolder
from chronas.search_stage import SearchStage
from chronas.seeding import stream
from chronas.spaces.moves import sample
from chronas.spaces.resnet import RIVAL
from chronas.spec import RunSpec
from chronas.train_stage import Network, TrainStage
from chronas.training.recipes import RECIPES
from chronas.unfinished import Keeper
from chronas.windows import Windows

E = TypeVar("E", bound=Literal["finished", "interrupted", "failed"])


class Session:
    """Works on one run folder. `run` goes through all stages that are not done yet."""

    def __init__(
        self, folder: RunFolder, spec: RunSpec, data: ImageData, *, clock: RunClock, stop: StopFlag,
        listeners: list[Listener],
    ) -> None:  # fmt: skip
        self.context = Context.make(folder, spec, data, clock=clock, stop=stop, listeners=listeners)
        self.account = Account(self.context)
        self.windows = Windows(self.context, self.account)
        self.keeper = Keeper(self.context, self.account)

    def run(self) -> Reason:
        """Go through the stages; returns "interrupted" when asked to stop, with everything written.

        A failure is written down as far as the disk allows, and raised.
        """
        try:
            return self._close(self._stages())
        except Exception as failure:
            # The failure itself is what the user must hear of, also where the disk takes no more.
            with contextlib.suppress(Exception):
                self.keeper.keep()
            with contextlib.suppress(Exception):
                self._close("failed", str(failure) or type(failure).__name__)
            raise

    def _stages(self) -> Reason:
        context = self.context
        context.record({"kind": "start", "stage": "run", "format": 1, "versions": versions(),
                        "device": context.hardware.device, "threads": torch.get_num_threads()})  # fmt: skip
        self._notes()
        reason: Reason = "finished"
        if context.spec.verb != "train":
            reason = SearchStage(context, self.account, self.windows, self.keeper).run()
        if reason == "finished" and context.spec.verb != "search":
            reason = self._trainings()
        return reason

    def _notes(self) -> None:
        """Tell once how the run was decided and what was found odd in the data."""
        context = self.context
        told = {record["message"] for record in context.folder.journal.records() if record["kind"] == "note"}
        notes = [(message, "info") for message in (*context.spec.notes, *context.data.notes)]
        for message, level in (*notes, *((message, "warning") for message in context.data.warnings)):
            if message not in told:
                context.record({"kind": "note", "stage": "run", "level": level, "message": message})

    def _close(self, reason: E, message: str = "done") -> E:
        if reason == "interrupted":
            message = "stopped on request; go on with `chronas resume`"
        self.context.record({"kind": "end", "stage": "run", "reason": reason, "message": message})
        self.account.close(reason)
        self.account.report()
        return reason

    def _trainings(self) -> Reason:
        stage = TrainStage(self.context, self.account, self.windows, self.keeper)
        for network in self._networks():
            if stage.run(network) == "interrupted":
                return "interrupted"
        return "finished"

    def _networks(self) -> list[Network]:
        spec = self.context.spec
        networks = [Network("found", "found by the search", self._found())]
        networks += [made for name in spec.baselines if (made := self._baseline(name)) is not None]
        if spec.rival:
            space = make_space("resnet")
            architecture = Architecture(space, space.parse(RIVAL))
            networks.append(Network("rival", "hand-made residual network, same time", architecture, RECIPES["fast"]))
        return networks

    def _baseline(self, name: str) -> Network | None:
        """One of `chronas.spec.BASELINES`; None for "plain" in a space that has no customary choice."""
        space = self.context.space
        if name == "random":
            drawn = sample(space, stream(self.context.spec.seed, "baseline", "random"))
            return Network(name, "drawn at random from the space", Architecture(space, drawn))
        usual = space.plain()
        if usual is None:
            return None
        return Network(name, space.plain_title, Architecture(space, usual))

    def _found(self) -> Architecture:
        if self.context.spec.architecture is not None:
            return Architecture.from_json(self.context.spec.architecture)
        folder = self.context.folder
        best = folder.read_best()
        if best is None:
            raise RunError(f"{folder.path} has no best architecture yet: its search ended before the first slice.")
        return Architecture.from_json(best["architecture"])


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {"chronas": chronas.__version__, "torch": torch.__version__, "python": platform.python_version()}
