"""The same work on a GPU. Skipped where there is none."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from chronas import api, nets
from chronas.architecture import Architecture, make_space
from chronas.deploy.bundle import load_bundle
from chronas.deploy.predict import predict
from chronas.errors import ProxyError
from chronas.methods import METHODS
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score
from chronas.proxies.hamming import activity, kernel_of
from chronas.proxies.many import Candidate, score_many
from chronas.proxies.naswot import hamming_kernel
from chronas.seeding import stream, torch_scope, torch_stream
from chronas.spaces.moves import sample
from chronas.task import Task

DEVICE = "cuda"
SPACE = {"layers": 2, "width": 8, "m": 3}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Noise; images of class 1 are brighter on the left."""
    draw = stream(0, "tests", "cuda")
    pixels = draw.integers(150, size=(240, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(len(pixels)) % 2
    pixels[labels == 1, :, :4] += 60
    np.savez(tmp_path / "images.npz", x_train=pixels, y_train=labels)
    return tmp_path / "images.npz"


def options(**words: Any) -> api.Options:
    return api.Options(device=DEVICE, **words)


def residual(notation: str) -> Architecture:
    space = make_space("resnet")
    return Architecture(space, space.parse(notation))


def small_net(name: str, index: int, task: Task) -> torch.nn.Module:
    space = make_space(name, {"channels": 4, "cells": 1} if name == "nasbench201" else SPACE)
    with torch_scope(0, "tests", index):
        return nets.build(Architecture(space, sample(space, stream(0, "tests", index))), task)


@pytest.mark.parametrize("name", METHODS.names())
def test_methods_search_and_what_they_find_is_trained(name: str, images: Path, tmp_path: Path) -> None:
    found = options(space="superkernel", method=name, settings={"space": SPACE})
    run = api.search(images, budget="6 epochs", out=tmp_path / "run", options=found)
    assert run.result["status"] == "finished"
    trained = api.train(run.path, images, budget="6 epochs", options=options())
    assert trained.network()["test_accuracy"] > 60  # type: ignore[index]


def test_a_search_goes_on_where_it_was_interrupted(images: Path, tmp_path: Path) -> None:
    class Stop:
        seen = 0

        def __call__(self, record: Any) -> None:
            self.seen += 1
            if self.seen == 12:
                raise KeyboardInterrupt

    words: Any = {"space": "superkernel", "method": "nasib", "settings": {"space": SPACE}}
    with contextlib.suppress(KeyboardInterrupt):
        api.search(images, budget="6 epochs", out=tmp_path / "run", options=options(listeners=(Stop(),), **words))
    done = api.resume(tmp_path / "run")
    assert done.result["status"] == "finished"
    assert done.architecture is not None


def test_fit_with_a_rival_ends_in_time(tmp_path: Path) -> None:
    done = api.fit("digits", budget="40s", out=tmp_path / "run", options=options(rival=True, baselines=("random",)))
    names = [network["name"] for network in done.result["networks"]]
    assert names == ["found", "random", "rival"]
    assert all(network["test_accuracy"] > 80 for network in done.result["networks"])
    assert done.report.exists()


def test_what_was_trained_here_predicts_on_the_processor(images: Path, tmp_path: Path) -> None:
    from PIL import Image

    run = api.train(residual("full-16-1-1-1-basic"), images, budget="4 epochs", out=tmp_path / "run", options=options())
    bundle = load_bundle(run.path)
    assert {str(p.device) for p in bundle.net.parameters()} == {"cpu"}
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(tmp_path / "one.png")
    assert 0 <= predict(bundle, [tmp_path / "one.png"])[0].probability <= 1


@pytest.fixture
def little_memory() -> Iterator[None]:
    """A hundredth of the GPU's memory for this process."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.01)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_out_of_memory_halves_the_batch(little_memory: None, tmp_path: Path) -> None:
    draw = stream(0, "tests", "memory")
    np.savez(
        tmp_path / "large.npz",
        x_train=draw.integers(256, size=(600, 96, 96, 3), dtype=np.uint8),
        y_train=np.arange(600) % 2,
    )
    words = options(settings={"recipe": {"batch_size": 480}}, precision="float32")
    done = api.train(residual("full-64-1-1-2-basic"), tmp_path / "large.npz", budget="1 epochs",
                     out=tmp_path / "run", options=words)  # fmt: skip
    assert done.result["status"] == "finished"
    notes = [line for line in (done.path / "journal.jsonl").read_text().splitlines() if "Out of memory" in line]
    assert notes, [json.loads(line)["kind"] for line in (done.path / "journal.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", PROXIES.names())
@pytest.mark.parametrize("space", ["nasbench201", "superkernel"])
def test_proxies_score_alike_on_both_devices(name: str, space: str) -> None:
    task = Task(3, 16, 16, 10)
    pixels = torch.randn(16, 3, 16, 16, generator=torch_stream(0, "tests"))
    here = ProxyBatch(pixels, torch.arange(16) % 10, 10)
    there = ProxyBatch(here.images.to(DEVICE), here.labels.to(DEVICE), 10)
    pairs = []
    for index in range(8):
        try:
            expected = score(name, small_net(space, index, task), here)
        except ProxyError:
            continue
        net = small_net(space, index, task).to(DEVICE)
        found = score(name, net, there)
        assert math.isfinite(found)
        assert found == pytest.approx(score(name, net, there), rel=0.02, abs=0.02)
        pairs.append((expected, found))
    assert len(pairs) > 2
    expected_scores, scores = np.array(pairs).T
    scale = max(np.ptp(expected_scores), 1e-3 * float(np.abs(expected_scores).max()))
    assert float(np.abs(expected_scores - scores).max()) < 0.25 * scale


@pytest.mark.parametrize("shape", [(8, 5), (40, 300), (33, 3, 7, 9), (130, 16, 8, 8)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_codes_are_counted_exactly(shape: tuple[int, ...], kind: torch.dtype) -> None:
    x = torch.randn(shape, generator=torch_stream(0, "tests")).to(kind)
    with torch.autocast(DEVICE, torch.bfloat16):
        found = kernel_of([activity(x.to(DEVICE))])
    codes = (x.reshape(len(x), -1) > 0).numpy().astype(np.int64)
    assert np.array_equal(found, codes @ codes.T + (1 - codes) @ (1 - codes).T)


def test_the_kernel_is_that_of_the_processor() -> None:
    """In float32 with TensorFloat-32 off, only numbers next to zero may change their sign."""
    task = Task(3, 16, 16, 10)
    pixels = torch.randn(16, 3, 16, 16, generator=torch_stream(0, "tests"))
    net = small_net("nasbench201", 1, task)
    expected = hamming_kernel(net, pixels)
    found = hamming_kernel(small_net("nasbench201", 1, task).to(DEVICE), pixels.to(DEVICE))
    assert np.abs(expected - found).max() < 0.01 * expected[0, 0]


def test_networks_in_flight_have_their_own_scores() -> None:
    task = Task(3, 16, 16, 10)
    pixels = torch.randn(16, 3, 16, 16, generator=torch_stream(0, "tests")).to(DEVICE)
    batch = ProxyBatch(pixels, torch.arange(16, device=DEVICE) % 10, 10)
    candidates = [Candidate(i, lambda i=i: small_net("nasbench201", i, task).to(DEVICE)) for i in range(8)]  # type: ignore[misc]
    alone = [value for _, value in score_many("naswot", candidates, batch)]
    beside = [value for _, value in score_many("naswot", candidates, batch, in_flight=2)]
    for first, second in zip(alone, beside, strict=True):
        if isinstance(first, ProxyError):
            assert isinstance(second, ProxyError)
        else:
            assert first == pytest.approx(second, rel=0.02)
