"""chronas predict: class and probability of images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chronas.cli.words import Namespace, Parser

if TYPE_CHECKING:
    from chronas.deploy.predict import Prediction


def parser() -> Parser:
    """RUN IMAGE... [--json]."""
    made = Parser("predict", "What the trained network of a run says about images: class and probability.")
    made.add_argument("run", metavar="RUN", help="a run folder, or a model folder")
    made.add_argument("images", metavar="IMAGE", nargs="+", help="image files, or folders of them")
    made.option("--json", action="store_true", help="JSON with the probabilities of all classes")
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.deploy.predict.predict`."""
    from chronas.deploy.bundle import load_bundle
    from chronas.deploy.predict import predict

    bundle = load_bundle(Path(words.run).expanduser())
    found = predict(bundle, [Path(image).expanduser() for image in words.images])
    print(_json(found, bundle.classes) if hasattr(words, "json") else _table(found))
    return 0


def _table(found: Sequence[Prediction]) -> str:
    wide = max(len(one.image) for one in found)
    label = max(len(one.label) for one in found)
    return "\n".join(f"{one.image:{wide}}  {one.label:{label}}  {100 * one.probability:5.1f} %" for one in found)


def _json(found: Sequence[Prediction], classes: Sequence[str]) -> str:
    rows = [
        {"image": one.image, "label": one.label, "probability": one.probability,
         "probabilities": dict(zip(classes, one.probabilities, strict=True))}
        for one in found
    ]  # fmt: skip
    return json.dumps(rows, indent=2, ensure_ascii=False)
