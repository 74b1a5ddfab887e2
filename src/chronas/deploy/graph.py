"""The deployed network: pixels in 0..1 to probabilities, as an exported graph with a free batch size."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from chronas.deploy.bundle import Bundle
from chronas.seeding import torch_stream
from chronas.task import Task

INPUT, OUTPUTS = "images", ("probabilities", "logits")


class Deployed(nn.Module):
    """Images (b, c, h, w) as floats in 0..1 to (probabilities, logits), both (b, classes)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.net = bundle.net
        spread = torch.tensor(bundle.std, dtype=torch.float64).view(1, -1, 1, 1)
        centre = torch.tensor(bundle.mean, dtype=torch.float64).view(1, -1, 1, 1)
        self.register_buffer("scale", (1 / spread).float())
        self.register_buffer("shift", (-centre / spread).float())
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise, classify, softmax."""
        logits: Tensor = self.net(images * self.scale + self.shift)
        return torch.softmax(logits, dim=1), logits


def export_program(net: nn.Module, task: Task) -> torch.export.ExportedProgram:
    """The graph of `net`, which takes images for `task`, with a free batch size and without source paths."""
    batch = torch.export.Dim("batch", min=1)
    example = torch.zeros(2, task.channels, task.height, task.width)
    with quiet(), torch.no_grad():
        program = torch.export.export(net, (example,), dynamic_shapes=({0: batch},), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def random_images(task: Task, count: int) -> Tensor:
    """`count` images of uniform noise in 0..1 for comparing two forms of a network; always the same ones."""
    generator = torch_stream(0, "export", count)
    return torch.rand(count, task.channels, task.height, task.width, generator=generator)


FITTED = {
    "crop": "shorter side to the input's size (bicubic, antialiased), then the centre",
    "pad": "longer side to the input's size (bicubic, antialiased), in the middle of black",
    "stretch": "both sides to the input's size (bicubic, antialiased)",
}


def scaling(bundle: Bundle) -> str:
    """How pixels come to 0..1 for an exported network, in words."""
    found = bundle.range
    if found is None or (found.low, found.high) == (0, 255):
        return "pixels divided by 255"
    shift = f" less {found.low:g}," if found.low else ""
    of = {"uint8": "", "integer": " (of images of 8 bits: by 255)", "float": " (of images of 8 bits: by 255)"}
    return f"pixels{shift} divided by {found.high - found.low:g}{of[found.kind]}"


def metadata(bundle: Bundle) -> dict[str, str]:
    """What travels in exported files beside the weights: text per key, lists as JSON."""
    task = bundle.task
    colour = {1: "grey", 3: "RGB"}.get(task.channels, f"{task.channels}-channel")
    return {
        "producer": f"chronas {bundle.chronas_version}",
        "classes": json.dumps(list(bundle.classes)),
        "mean": json.dumps(list(bundle.mean)),
        "std": json.dumps(list(bundle.std)),
        "input": f"{INPUT}: float32 (batch, {task.channels}, {task.height}, {task.width}), {colour} {scaling(bundle)},"
        " so in 0..1; the normalisation by mean and std is part of the graph",
        "output": "probabilities: float32 (batch, classes) after the softmax; logits: the same before it",
        "range": "0:255" if bundle.range is None else bundle.range.word,
        "resize": FITTED[bundle.fit],
        "architecture": json.dumps(bundle.architecture.to_json()),
        "notation": bundle.architecture.notation,
    }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what exporters say to their developers (deprecations, absent packages) from users."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
