"""Which pixel values stand for black and white: decided once, from the training images as a whole.

Images of 8 bits need no decision. Whole numbers of more bits and floating-point numbers do: 4,095 is white in a
12-bit X-ray and nearly black in a 16-bit photo. One bright pixel must not decide, so all rules look at shares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from chronas.data.raw import Pixels, Values
from chronas.errors import DataError

Kind = Literal["uint8", "integer", "float"]
DEPTHS = (255, 1023, 4095, 16383, 65535)
"""The largest values of 8, 10, 12, 14 and 16 bits."""
RARE = 1e-3
"""Up to this share of the pixels may lie outside of a range: they are clipped, and it is said."""
HOT = 1e-5
"""Up to this share of whole numbers may be above the depth that is found: stuck pixels of a sensor."""
OVERSHOOT = 0.5
"""Floating-point pixels may lie so far outside of 0..1, as a share of it: resizing overshoots by less."""
MOSTLY = 0.5
ONE = 1 + 0.5 / 255
"""What is not above this is white in 0..1, whatever its last digits."""
DIM = 64
"""Whole numbers that stay below this are of few bits, as the 0..16 of scikit-learn's digits."""
DARKER = 15
"""Images whose own range is so many times smaller than that of the training images are of another one."""
CHUNK = 1 << 22


@dataclass(frozen=True)
class PixelRange:
    """`low` is black and `high` is white.

    kind   what the range is of: images of 8 bits, whole numbers of more bits, or floating-point numbers
    given  whether the user said it
    """

    low: float
    high: float
    kind: Kind
    given: bool = False

    @property
    def word(self) -> str:
        """The form of --range: "0:4095"."""
        return f"{_written(self.low)}:{_written(self.high)}"

    @property
    def mark(self) -> str:
        """The form in which a range that was found is kept: "integer:0:4095"."""
        return f"{self.kind}:{self.word}"

    @classmethod
    def of_mark(cls, text: str) -> PixelRange:
        """The inverse of `mark`.

        Raises:
            DataError: for another form.
        """
        found = re.fullmatch(r"(uint8|integer|float):([^:]+):([^:]+)", text)
        try:
            if found is None:
                raise ValueError
            return cls(float(found[2]), float(found[3]), found[1])  # type: ignore[arg-type]
        except ValueError:
            raise DataError(f"{text!r} is no range that a run has found.") from None

    def to_bytes(self, values: Values) -> Pixels:
        """Values of any number type as uint8, clipped; shape stays."""
        # In parts: the floating-point copy of a whole data set would take eight times its memory.
        out = np.empty(values.shape, dtype=np.uint8)
        for here in _parts(values):
            scaled = (values[here].astype(np.float64) - self.low) * (255 / (self.high - self.low))
            out[here] = np.rint(scaled, out=scaled).clip(0, 255, out=scaled)
        return out


def _written(value: float) -> str:
    """A number as people write it, in full: 4095, 0.1."""
    return str(int(value)) if value == int(value) else repr(value)


def kind_of(dtype: np.dtype[np.generic]) -> Kind | None:
    """The kind of range that a number type needs; None for one that holds no pixels."""
    if dtype in (np.uint8, np.bool_):
        return "uint8"
    return {"i": "integer", "u": "integer", "f": "float"}.get(dtype.kind)  # type: ignore[return-value]


@dataclass(frozen=True)
class Seen:
    """What is known of many pixels.

    low, high   the smallest and the largest value
    count       pixels; `lit` of them are not 0, `over_one` are above 1 by more than rounding hides
    whole       whether all are whole numbers
    above       how many are above each of `DEPTHS`
    below_zero  how many are below 0
    """

    low: float
    high: float
    count: int
    lit: int
    over_one: int
    below_zero: int
    whole: bool
    above: tuple[int, ...]

    @classmethod
    def of(cls, values: Values) -> Seen:
        """Look at `values`, which must be finite."""
        return joined(_look(values[here]) for here in _parts(values))

    def share_above(self, high: float) -> float:
        """The share of pixels above `high`, as far as it is known: of 1 and of `DEPTHS`, else 0 or 1."""
        known = dict(zip((1.0, *map(float, DEPTHS)), (self.over_one, *self.above), strict=True))
        return known[high] / self.count if high in known else float(self.high > high * (1 + OVERSHOOT))


def _look(values: Values) -> Seen:
    whole = values.dtype.kind != "f" or bool(np.all(np.trunc(values) == values))
    above = tuple(int((values > depth).sum()) for depth in DEPTHS)
    return Seen(
        float(values.min()), float(values.max()), values.size, int(np.count_nonzero(values)), int((values > ONE).sum()),
        int((values < 0).sum()), whole, above,
    )  # fmt: skip


def joined(found: Iterable[Seen]) -> Seen:
    """All of `found` together; there is at least one."""
    every = list(found)
    return Seen(
        min(one.low for one in every), max(one.high for one in every), sum(one.count for one in every),
        sum(one.lit for one in every), sum(one.over_one for one in every), sum(one.below_zero for one in every),
        all(one.whole for one in every), tuple(map(sum, zip(*(one.above for one in every), strict=True))),
    )  # fmt: skip


def found_range(seen: Seen, kind: Kind, where: str) -> PixelRange:
    """The range of training images.

    Args:
        seen: all their pixels.
        kind: "integer" or "float".
        where: the data's name in messages.

    Returns:
        The range; what `clipped` says of the same pixels should be told.

    Raises:
        DataError: where the values fit no usual range, with what to do.
    """
    if seen.below_zero > RARE * seen.count:
        raise DataError(f"{where}: pixels lie in {seen.low:g} to {seen.high:g}, below 0 too, so they seem to be "
                        f"normalised. {_advice(seen)}")  # fmt: skip
    found = _whole_range(seen) if kind == "integer" else _float_range(seen)
    if found is None:
        raise DataError(f"{where}: pixels lie in {seen.low:g} to {seen.high:g}, and black and white cannot be told "
                        f"from that. {_advice(seen)}")  # fmt: skip
    return PixelRange(0.0, found, kind)


def _whole_range(seen: Seen) -> float | None:
    """White, of whole numbers."""
    if 1 <= seen.high < DIM:
        return seen.high
    # Between whole numbers only resizing puts others, which overshoots; what is above whole numbers is a fault.
    allowed = (HOT if seen.whole else RARE) * seen.count
    fitting = (depth for depth, above in zip(DEPTHS, seen.above, strict=True) if above <= allowed)
    return next(map(float, fitting), None)


def _float_range(seen: Seen) -> float | None:
    """White, of floating-point numbers."""
    if seen.high <= 1 + OVERSHOOT and seen.over_one <= RARE * seen.count:
        return 1.0
    # Of pictures in 0..255 few pixels lie between 0 and 1, of pictures in 0..1 none above it.
    bright = seen.whole or (seen.over_one >= MOSTLY * seen.lit and seen.high >= DIM)
    return _whole_range(seen) if bright else None


def _advice(seen: Seen) -> str:
    return (
        f"Pass --range LOW:HIGH with the values of black and white, for example --range {seen.low:.3g}:{seen.high:.3g}"
        " (or give the images before normalisation)."
    )


def check_alike(seen: Seen, chosen: PixelRange, where: str, origin: str) -> None:
    """Raise DataError where other images of the data cannot be meant in the range of the training images.

    A range that the user gave is not questioned, but for values far outside of it.

    Args:
        seen: the pixels of those images.
        chosen: the range of the training images.
        where: the name of those images in messages.
        origin: in words where the range is known from.

    Raises:
        DataError: the values lie far outside of the range, or all in a small corner of it.
    """
    below = seen.below_zero / seen.count if chosen.low == 0 else float(seen.low < 2 * chosen.low - chosen.high)
    too_far = max(seen.share_above(chosen.high), below) > RARE
    if too_far or (not chosen.given and _much_darker(seen, chosen)):
        raise DataError(
            f"{where}: values reach from {seen.low:g} to {seen.high:g}, but {chosen.word} are black and white "
            f"({origin}). Bring all images to one range, or pass --range LOW:HIGH."
        )


def _much_darker(seen: Seen, chosen: PixelRange) -> bool:
    """Whether the range of these images alone would be a small corner of `chosen`."""
    try:
        own = found_range(seen, chosen.kind, "")
    except DataError:
        return False
    return DARKER * own.high <= chosen.high


def clipped(seen: Seen, chosen: PixelRange) -> str | None:
    """In words, what is lost at the ends of the range; None where nothing is."""
    if seen.low >= chosen.low and seen.high <= chosen.high:
        return None
    return f"values from {seen.low:.8g} to {seen.high:.8g} are clipped to it"


def finite(values: Values, where: str) -> None:
    """Raise DataError where images (n, h, w, c) hold NaN or infinite values."""
    if values.dtype.kind != "f":
        return
    bad = sum(int((~np.isfinite(values[here])).any(axis=(1, 2, 3)).sum()) for here in _parts(values))
    if bad:
        raise DataError(f"{where}: {bad} image(s) hold NaN or infinite values.")


def table(range_: PixelRange) -> npt.NDArray[np.uint8]:
    """What each value of 8 bits becomes under a range of 8-bit images: (256,)."""
    return range_.to_bytes(np.arange(256, dtype=np.uint8))


def _parts(values: Values) -> Iterable[slice]:
    rows = max(1, CHUNK // max(1, int(np.prod(values.shape[1:]))))
    return (slice(start, start + rows) for start in range(0, len(values), rows))
