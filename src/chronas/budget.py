"""Budgets, and the ledger that owns `progress`.

Every schedule in Chronas is a function of progress = spent / budget in [0, 1] (NASIB section 3.1 turned
around: instead of translating hours into epochs, everything is a share of what was given). Methods see
progress and nothing else, so the same method runs within seconds, epochs or evaluations.
"""

from __future__ import annotations

import math
import numbers
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chronas.errors import UsageError

Unit = Literal["seconds", "epochs", "evaluations"]

_SECONDS = {name: seconds for seconds, names in (
    (0.001, "ms msec msecs millisecond milliseconds"), (1.0, "s sec secs second seconds"),
    (60.0, "m min mins minute minutes"), (3600.0, "h hr hrs hour hours"), (86400.0, "d day days"),
    (604800.0, "w wk wks week weeks"),
) for name in names.split()}  # fmt: skip
_COUNTS: dict[str, Unit] = {"epoch": "epochs", "epochs": "epochs", "eval": "evaluations", "evals": "evaluations",
                            "evaluation": "evaluations", "evaluations": "evaluations"}  # fmt: skip
_NUMBER = r"(?:[0-9]+(?:[.,][0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_PART = re.compile(rf"({_NUMBER}) ?([a-z]+)(?:\.(?![0-9]))?,? ?(?:and )?")
_CLOCK = re.compile(r"(?:([0-9]+)-)?([0-9]+):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]+)?)")
_TWO = re.compile(r"([0-9]+):([0-5][0-9]) ?([a-z]*)\.?")
_NEXT = {3600.0: "m", 60.0: "s"}
"""What a bare number after hours, or after minutes, counts: 1h30."""
FORMS = "90s, 20 min, 1.5h, 1h30m, 2 hours 30 min, 0:20:00 (hours:minutes:seconds), 2d, '50 epochs', '1000 evaluations'"
"""How a budget is written, for messages."""


@dataclass(frozen=True)
class Budget:
    """A limit: `amount` of `unit`."""

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        if not (self.amount > 0 and math.isfinite(self.amount)):
            raise UsageError(f"A budget must be a positive number, but got {self.amount!r} {self.unit}.")

    @classmethod
    def parse(cls, text: str | float | Budget) -> Budget:
        """Read what people write: "90s", "1h 30 min", "0:20:00", "half an hour", "50 epochs"; a number is seconds.

        Raises UsageError, with the forms that are read, where `text` is none of them or could mean two things.
        """
        given: object = text
        if isinstance(given, Budget):
            return given
        if isinstance(given, bool) or not isinstance(given, str | numbers.Real):  # NumPy's numbers are Real
            raise UsageError(f"A budget is text or a number of seconds, but got {given!r}. Examples: {FORMS}.")
        amount, unit = _read(given) if isinstance(given, str) else (float(given), "seconds")
        return cls(amount, unit)

    def __str__(self) -> str:
        return format_seconds(self.amount) if self.unit == "seconds" else f"{self.amount:g} {self.unit}"

    def share(self, part: float) -> Budget:
        """The budget times `part`."""
        return Budget(self.amount * part, self.unit)


def _read(text: str) -> tuple[float, Unit]:
    """Amount and unit of a budget as people write it; raises UsageError."""
    words = " ".join(text.lower().split())
    if re.match(r"[-−–] ?[0-9.]|[-+]?(nan|inf|infinity)\b|[0.]+$", words):
        raise UsageError(f"A budget must be a positive number with its unit, but got {text!r}. Examples: {FORMS}.")
    words = re.sub(r"\b(an?|one)\b", "1", re.sub(r"\bhalf( an?)?\b", "0.5", words))
    pairs = _clock(words, text) or _pairs(words, text)
    unknown = [unit for _, unit in pairs if unit not in _SECONDS and unit not in _COUNTS]
    if unknown:
        raise UsageError(
            f"Unknown unit {unknown[0]!r} in the budget {text!r}. Use s, m, h, d, w, epochs or evaluations."
            f" Examples: {FORMS}."
        )
    counts = [_COUNTS[unit] for _, unit in pairs if unit in _COUNTS]
    if counts and len(pairs) > 1:
        raise UsageError(f"A budget is a time or a single count, but got {text!r}. Examples: {FORMS}.")
    if counts:
        return _number(pairs[0][0], text), counts[0]
    return sum(_number(number, text) * _SECONDS[unit] for number, unit in pairs), "seconds"


def _clock(words: str, text: str) -> list[tuple[str, str]]:
    """(number, unit) pairs of 0:20:00, 1-12:00:00 (a day and 12 hours) and 1:30 h; none of anything else."""
    whole, two = _CLOCK.fullmatch(words), _TWO.fullmatch(words)
    if whole:
        return [(number or "0", unit) for number, unit in zip(whole.groups(), "dhms", strict=True)]
    if two is None:
        return []
    first, last, unit = two.groups()
    if not unit:
        raise UsageError(f"The budget {text!r} can be hours and minutes, or minutes and seconds. Write "
                         f"{first}h{last}m or {first}m{last}s. Other examples: {FORMS}.")  # fmt: skip
    below = _NEXT.get(_SECONDS.get(unit, 0.0))
    return [(first, unit), (last, below)] if below else []


def _pairs(words: str, text: str) -> list[tuple[str, str]]:
    """(number, unit) pairs of 1h 30 min, and of 1h30; raises UsageError where anything else is left."""
    if re.fullmatch(_NUMBER, words):
        raise UsageError(
            f"The budget {text!r} has no unit. Write for example '{words}s', '{words}m' or '{words} epochs'. "
            f"Other examples: {FORMS}."
        )
    pairs, place = [], 0
    while found := _PART.match(words, place):
        pairs.append((found[1], found[2]))
        place = found.end()
    rest = words[place:]
    below = _NEXT.get(_SECONDS.get(pairs[-1][1], 0.0)) if pairs and pairs[-1][0].isdigit() else None
    if below and re.fullmatch("[0-5]?[0-9]", rest):
        return [*pairs, (rest, below)]
    if rest or not pairs:
        raise UsageError(f"Cannot read the budget {text!r}. Examples: {FORMS}.")
    return pairs


def _number(number: str, text: str) -> float:
    """A decimal comma is one; a comma that may part thousands is refused."""
    if re.match("[1-9][0-9]{0,2},[0-9]{3}(?![0-9])", number):
        one, other = number.replace(",", ""), number.replace(",", ".")
        raise UsageError(
            f"The number {number} in the budget {text!r} can be {one} or {other}: write it without a comma."
        )
    return float(number.replace(",", "."))


def format_seconds(seconds: float) -> str:
    """Seconds for people: 0.42 s, 47.1 s, 20m 05s, 1h 30m, 2d 04h."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    minutes = whole // 60
    if minutes < 48 * 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    return f"{minutes // 1440}d {minutes % 1440 // 60:02d}h"


@dataclass
class Slowest:
    """The most seconds that something has taken, fading: one hiccup is forgotten."""

    seconds: float = 0.0
    fading: float = 0.8

    def took(self, seconds: float) -> None:
        """It took `seconds` this time."""
        self.seconds = max(seconds, self.fading * self.seconds)


class RunClock:
    """The user's clock of one run: earlier sessions of a resumed run, and this process since it started."""

    def __init__(self, *, started: float | None = None, carried: float = 0.0) -> None:
        now = time.monotonic()
        self._started = now if started is None else started
        self.carried = carried
        # What this process computed before the run; between start and now it was busy for at most that long.
        self._computed_before = max(0.0, time.process_time() - (now - self._started))

    def __call__(self) -> float:
        """Seconds so far."""
        return self.carried + time.monotonic() - self._started

    @property
    def slowness(self) -> float:
        """Seconds so far in this process over seconds of processor time that it got for the run, at least 1.

        Asked when the data is loaded, until when one thread or more has been busy: above 1 others use the
        processors, or the disk is slow, and everything takes longer.
        """
        computed = time.process_time() - self._computed_before
        return max(1.0, (time.monotonic() - self._started) / max(computed, 1e-3))


class Ledger:
    """A budget and what has been spent of it.

    A budget in seconds is the user's clock: it runs by itself from `started` (a reading of `clock`) on,
    whatever happens. The other units are charged with `charge`. `reserve` (seconds, time budgets only) is kept
    back for closing: progress reaches 1 when only the reserve is left. With a second ledger `alongside`,
    progress is the larger of the two: whichever limit is met first ends the work. `opening` (seconds) went by
    before the work could begin, for example while the data was loaded: progress and parts are of the rest.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        clock: Callable[[], float] = time.monotonic,
        started: float | None = None,
        reserve: float = 0.0,
        alongside: Ledger | None = None,
        opening: float = 0.0,
    ) -> None:
        self.budget = budget
        self.alongside = alongside
        self.opening = opening
        self.reserve = reserve
        self.clock = clock
        self.started = clock() if started is None else started
        self.counts: dict[str, float] = {"steps": 0.0, "epochs": 0.0, "evaluations": 0.0}
        self.where: dict[str, float] = {}

    @property
    def spent(self) -> float:
        """What has been spent, in the budget's unit."""
        return self.seconds if self.budget.unit == "seconds" else self.counts[self.budget.unit]

    @property
    def seconds(self) -> float:
        """Seconds on the clock since `started`."""
        return self.clock() - self.started

    @property
    def usable(self) -> float:
        """The budget less the reserve, in its unit."""
        return self.budget.amount - (self.reserve if self.budget.unit == "seconds" else 0.0)

    @property
    def progress(self) -> float:
        """spent / usable, the opening taken off both, in [0, 1]."""
        if self.usable <= self.opening:
            return 1.0
        other = 0.0 if self.alongside is None else self.alongside.progress
        # Sums of 1/steps_per_epoch must reach a whole budget in spite of rounding.
        return min(1.0, max(0.0, other, (self.spent - self.opening) / (self.usable - self.opening) + 1e-9))

    @property
    def exhausted(self) -> bool:
        return self.progress >= 1.0

    @property
    def left(self) -> float:
        """What is left, in the budget's unit, the reserve taken off."""
        return max(0.0, self.usable - self.spent)

    def fits(self, seconds: float) -> bool:
        """Whether work of `seconds` can still be begun; always where no budget in seconds is involved."""
        if self.budget.unit == "seconds" and self.left < seconds:
            return False
        return self.alongside is None or self.alongside.fits(seconds)

    def part(self, share: float) -> Ledger:
        """A ledger that starts now and has `share` of this budget, at most what is left."""
        amount = max(1e-9, min((self.usable - self.opening) * share, self.left))
        return Ledger(Budget(amount, self.budget.unit), clock=self.clock)

    def charge(self, *, where: str | None = None, seconds: float = 0.0, **counts: float) -> None:
        """Add `steps`, `epochs`, `evaluations`; book `seconds` under `where` for the closing account."""
        for name, amount in counts.items():
            self.counts[name] += amount
        if where is not None:
            self.where[where] = self.where.get(where, 0.0) + seconds

    def state(self) -> dict[str, Any]:
        """The counts and the account, JSON-able. The clock belongs to the run."""
        return {"counts": dict(self.counts), "where": dict(self.where)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over an earlier `state()`."""
        self.counts.update(state["counts"])
        self.where = dict(state["where"])
