"""Predictions: the pixels of training, any size, and every bad file named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_bundle import even, kernels, rgb

from chronas.data.decode import decode
from chronas.data.raw import Encoded
from chronas.deploy.bundle import Bundle
from chronas.deploy.predict import BATCH, image_tensor, predict
from chronas.errors import DataError
from chronas.seeding import stream


def _save(path: Path, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels = stream(0, "image", *shape).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def _probabilities(bundle: Bundle, pixels: torch.Tensor) -> list[float]:
    mean, std = torch.tensor(bundle.mean).view(-1, 1, 1), torch.tensor(bundle.std).view(-1, 1, 1)
    with torch.no_grad():
        out: list[float] = torch.softmax(bundle.net(((pixels / 255 - mean) / std)[None])[0], 0).tolist()
    return out


def test_rgb_of_the_right_size(tmp_path: Path) -> None:
    bundle, path = rgb(), tmp_path / "a.png"
    pixels = _save(path, 9, 9, 3)
    (found,) = predict(bundle, [path])
    expected = _probabilities(bundle, torch.from_numpy(pixels).permute(2, 0, 1))
    assert found.image == str(path)
    assert found.probabilities == pytest.approx(expected, abs=1e-5)
    assert found.probability == max(found.probabilities)
    assert found.label == bundle.classes[found.probabilities.index(found.probability)]
    assert sum(found.probabilities) == pytest.approx(1, abs=1e-5)


def test_grey_for_a_grey_and_for_a_colour_network(tmp_path: Path) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    grey, other = _save(small, 8, 8), _save(large, 9, 9)
    (found,) = predict(kernels(), [small])
    assert found.probabilities == pytest.approx(_probabilities(kernels(), torch.from_numpy(grey)[None]), abs=1e-5)
    (found,) = predict(rgb(), [large])
    tripled = torch.from_numpy(other).expand(3, 9, 9)
    assert found.probabilities == pytest.approx(_probabilities(rgb(), tripled), abs=1e-5)


def test_colour_for_a_grey_network_and_transparency(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    assert set(image_tensor(tmp_path / "red.png", kernels().task).flatten().tolist()) == {76}
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert set(image_tensor(tmp_path / "clear.png", rgb().task).flatten().tolist()) == {255}


@pytest.mark.parametrize("name", ["wide.png", "wide.jpg"])
def test_other_sizes_are_read_as_training_reads_them(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _save(path, 40, 61, 3)
    trained = decode([Encoded(name, path)], 9, False).pixels[0]
    read = image_tensor(path, rgb().task)
    assert torch.equal(read, torch.from_numpy(trained).permute(2, 0, 1))
    assert torch.equal(image_tensor(path, rgb().task, 9), read)


def test_images_that_are_not_square(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pixels = np.zeros((20, 60), dtype=np.uint8)
    pixels[:, 17:43] = 200  # the middle 26 columns are what a 10x13 network sees
    Image.fromarray(pixels).save(path)
    read = image_tensor(path, even().task)
    assert read.shape == (1, 10, 13)
    assert int(read.float().mean()) > 190
    _save(path, 10, 13)
    assert len(predict(even(), [path])) == 1


def test_folders_and_batches_keep_the_order(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number in range(BATCH + 3):
        _save(tmp_path / "in" / f"{number:03d}.png", 9, 9, 3)
    _save(tmp_path / "in" / "deep" / "last.png", 9, 9)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / ".hidden.png").write_text("no image")
    alone = tmp_path / "alone.png"
    _save(alone, 12, 9, 3)
    found = predict(rgb(), [alone, tmp_path / "in"])
    names = [Path(p.image).name for p in found]
    assert names == ["alone.png", *(f"{n:03d}.png" for n in range(BATCH + 3)), "last.png"]
    assert found[-1].probabilities == pytest.approx(
        predict(rgb(), [tmp_path / "in" / "deep" / "last.png"])[0].probabilities, abs=1e-6
    )


def test_all_bad_files_are_named_at_once(tmp_path: Path) -> None:
    good, torn, text = tmp_path / "good.png", tmp_path / "torn.png", tmp_path / "text.png"
    _save(good, 9, 9, 3)
    _save(torn, 40, 40, 3)
    torn.write_bytes(torn.read_bytes()[:300])
    text.write_text("hello")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        predict(rgb(), [good, torn, text, tmp_path / "missing.png", tmp_path / "empty"])
    message = str(caught.value)
    assert message.startswith("4 path(s)")
    for word in (
        "torn.png",
        "text.png: no known image format",
        "missing.png: No such file",
        "empty: a folder",
    ):
        assert word in message
    assert "good.png" not in message


def test_no_images_no_predictions() -> None:
    assert predict(rgb(), []) == []
