"""What the report shows, as plain frozen data: rendered without another look at the run folder."""

from __future__ import annotations

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]
"""(x, y) pairs, x ascending, all finite."""

Grid = tuple[tuple[float | None, ...], ...]
"""Rows of cells; None where there is no such option."""


@dataclass(frozen=True)
class DataView:
    """The data set: image counts of the splits, class names, (channels, height, width)."""

    source: str
    train: int | None
    val: int | None
    test: int | None
    classes: tuple[str, ...]
    shape: tuple[int, int, int] | None


@dataclass(frozen=True)
class BudgetView:
    """Given and spent in `unit`; `where` books seconds by purpose; `exploration_share` lies in [0, 1].

    The rival is extra: its seconds stand apart.
    """

    amount: float | None
    unit: str
    spent: float | None
    where: tuple[tuple[str, float], ...]
    exploration_share: float | None
    evaluations: float | None
    epochs: float | None
    rival_seconds: float | None = None


@dataclass(frozen=True)
class SearchView:
    """What was searched, how, and what it found so far (`done`: in the end); `madds` are per image.

    how     "search"; "timing" where `fit` had no time for one and took what fits; "training" where none was asked for
    judged  False where `notation` is the first network, and none was judged yet
    """

    space: str
    method: str
    seed: str
    notation: str
    params: float | None
    madds: float | None
    done: bool
    how: str = "search"
    judged: bool = True


@dataclass(frozen=True)
class ConsideredRow:
    """A network weighed against the time: `seconds` of a pass, timed or guessed, and the `passes` expected."""

    notation: str
    seconds: float | None
    timed: bool
    passes: float | None
    params: float | None
    madds: float | None
    taken: bool
    why: str


@dataclass(frozen=True)
class ConsideredView:
    """Networks that `fit` weighed, those taken first.

    wanted, least   passes that a network should get in `given` seconds
    raced           whether several were taken; else `got` has the passes that the one got, if known
    """

    rows: tuple[ConsideredRow, ...]
    wanted: float | None
    least: float | None
    given: float | None
    raced: bool
    got: float | None


@dataclass(frozen=True)
class NetworkView:
    """One trained network. Accuracies in percent, `seconds` and `epochs` of its training.

    val_images, test_images   what the accuracies are of, where there was no time for all images; else None
    """

    name: str
    title: str
    recipe: str
    params: float | None
    madds: float | None
    seconds: float | None
    epochs: float | None
    val_accuracy: float | None
    test_accuracy: float | None
    test_loss: float | None
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[tuple[int, int, int, int], ...]
    per_class: tuple[tuple[str, float], ...]
    val_images: int | None = None
    test_images: int | None = None


@dataclass(frozen=True)
class Span:
    """One stage on the run's clock, in seconds. `name` is "search" or the network's name."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Curve:
    """One line of a chart: `name` picks the colour ("search", "found", ...), `part` is "train" or "val"."""

    name: str
    part: str
    points: Points


@dataclass(frozen=True)
class FrontView:
    """One network of the front; accuracy in percent, `file` in the run folder or "", `found`: the search's choice."""

    notation: str
    accuracy: float
    params: float | None
    madds: float | None
    file: str
    found: bool


@dataclass(frozen=True)
class CostView:
    """What the search judged, as accuracy in percent against `cost`: "madds" (per image) or "params".

    count   networks judged; `judged` holds (cost, accuracy) of them, of very many a part
    front   cheapest first
    mixed   whether they were trained for different parts of the budget
    """

    cost: str
    count: int
    judged: Points
    front: tuple[FrontView, ...]
    mixed: bool


@dataclass(frozen=True)
class ExploreView:
    """The search's inner numbers over progress (0..1): policy shares, entropy in nats, images per second."""

    share: Points = ()
    planned: Points = ()
    narrowing: bool = False
    entropy: Points = ()
    rate: Points = ()
    entropy_max: float | None = None


@dataclass(frozen=True)
class TableView:
    """One table of one decision: `values` by option; as a grid where the options are kernels i x j."""

    name: str
    values: tuple[float | None, ...]
    grid: Grid


@dataclass(frozen=True)
class DecisionView:
    """One decision; `choice` is the chosen option's index, `side` the grid's side or 0, `entropy` in nats."""

    name: str
    options: tuple[str, ...]
    choice: int | None
    tables: tuple[TableView, ...]
    side: int
    entropy: float | None


@dataclass(frozen=True)
class Block:
    """One box of the network. `kind`: input, stem, conv, sep, max, avg, reduction, head, output, other."""

    kind: str
    label: str
    note: str = ""
    height: int = 0
    width: int = 0
    number: int = 0
    params: float | None = None
    unit: str = "layer"


@dataclass(frozen=True)
class StageView:
    """Blocks that share one resolution; `title` names resolution and channels."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class ConfusionView:
    """Test images by true class (rows) and predicted class (columns), and percent correct by class.

    mistakes  the most frequent ones where there are too many classes for `counts`: (true class, predicted class,
              images, images of the true class)
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    mistakes: tuple[tuple[int, int, int, int], ...]
    per_class: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Note:
    """A warning or a word of the run; `time` in seconds on the run's clock."""

    level: str
    time: float | None
    message: str


@dataclass(frozen=True)
class ReportView:
    """Everything on the page. `run`: the folder's name; `at`: its path as it was given, quoted for a shell."""

    run: str
    at: str
    status: str
    message: str
    headline: str
    remarks: tuple[str, ...]
    missing: tuple[str, ...]
    progress: float | None
    data: DataView | None
    budget: BudgetView | None
    search: SearchView | None
    considered: ConsideredView | None
    networks: tuple[NetworkView, ...]
    spans: tuple[Span, ...]
    accuracy: tuple[Curve, ...]
    loss: tuple[Curve, ...]
    evaluated: Points
    cost: CostView | None
    explore: ExploreView
    decisions: tuple[DecisionView, ...]
    stages: tuple[StageView, ...]
    kernel_side: int
    confusion: ConfusionView | None
    facts: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    notes: tuple[Note, ...]
