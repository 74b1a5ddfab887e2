"""chronas predict: class and probability of images."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chronas.cli.unfinished import tell_unfinished
from chronas.cli.words import Namespace, Parser
from chronas.errors import DataError
from chronas.runs.places import refuse_reading

if TYPE_CHECKING:
    from chronas.deploy.predict import Prediction


NOTES = """\
Bytes of file names that are not UTF-8 are shown as \\xff, and in JSON as \\udcff: in Python os.fsencode(name) gives the
file's own name back."""


def parser() -> Parser:
    """RUN IMAGE... [--json]."""
    made = Parser("predict", "What the trained network of a run says about images: class and probability.", notes=NOTES)
    made.add_argument("run", metavar="RUN", help="a run folder, or a model folder")
    made.add_argument("images", metavar="IMAGE", nargs="+", help="image files, or folders of them")
    made.option("--json", action="store_true", help="JSON with the probabilities of all classes")
    return made


def run(words: Namespace, started: float) -> int:
    """One call of `chronas.deploy.predict.predict_each`; what cannot be read is named after the rest, exit code 1."""
    from chronas.deploy.bundle import load_bundle
    from chronas.deploy.predict import failed_message, predict_each

    source = Path(words.run).expanduser()
    refuse_reading(source)
    bundle = load_bundle(source)
    tell_unfinished(bundle, source)
    found = predict_each(bundle, [Path(image).expanduser() for image in words.images])
    for note in found.notes:
        print(f"chronas: {note}", file=sys.stderr)
    if hasattr(words, "json"):
        print(_json(found.rows, bundle.classes))
    elif found.rows:
        print(_table(found.rows))
    if found.failed:
        sys.stdout.flush()
        raise DataError(failed_message(found.failed))
    return 0


def _table(found: Sequence[Prediction]) -> str:
    names = [os.fsencode(one.image).decode("utf-8", "backslashreplace") for one in found]
    wide = max(map(len, names))
    label = max(len(one.label) for one in found)
    return "\n".join(
        f"{name:{wide}}  {one.label:{label}}  {100 * one.probability:5.1f} %"
        for name, one in zip(names, found, strict=True)
    )


def _json(found: Sequence[Prediction], classes: Sequence[str]) -> str:
    rows = [
        {"image": one.image, "label": one.label, "probability": one.probability,
         "probabilities": dict(zip(classes, one.probabilities, strict=True))}
        for one in found
    ]  # fmt: skip
    return json.dumps(rows, indent=2)  # in ASCII: names that are no text, and terminals of few letters, lose nothing
