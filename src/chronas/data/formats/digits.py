"""The word `digits`: scikit-learn's 1,797 handwritten digits, 8x8 grey."""

from __future__ import annotations

import warnings

import numpy as np

from chronas.data.raw import Raw, RawPart
from chronas.data.split import held_out

WORD = "digits"
TEST_SHARE = 0.2


def read() -> Raw:
    """Values 0..16 scaled to 0..255, and a fixed stratified test split of 20 %."""
    with warnings.catch_warnings():
        # joblib, which comes along, would tell that a container has no room for semaphores; nobody needs them here.
        warnings.simplefilter("ignore", UserWarning)
        from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)[..., None]
    whole = RawPart(pixels, np.asarray(bunch.target).astype(np.int64))
    train, test = held_out(whole.labels, round(TEST_SHARE * len(whole)), 0, "digits test", least=1)
    return Raw({"train": whole.take(train), "test": whole.take(test)}, tuple("0123456789"))
