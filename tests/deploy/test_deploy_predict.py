"""Predictions: the pixels of training, any size, and every bad file named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sample_bundle import even, kernels, rgb

from chronas.data.decode import decode
from chronas.data.levels import PixelRange
from chronas.data.pixels import Reading
from chronas.data.raw import Encoded
from chronas.deploy.bundle import Bundle
from chronas.deploy.predict import BATCH, image_tensor, predict, predict_each
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
    trained = decode([Encoded(name, path)], Reading((9, 9))).pixels[0]
    read = image_tensor(path, rgb().task)
    assert torch.equal(read, torch.from_numpy(trained).permute(2, 0, 1))


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


def test_the_rest_is_predicted_and_the_bad_ones_are_named(tmp_path: Path) -> None:
    for number in range(BATCH + 2):
        _save(tmp_path / f"{number:03d}.png", 9, 9, 3)
    torn = tmp_path / "001.png"
    torn.write_bytes(torn.read_bytes()[:60])
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    found = predict_each(rgb(), [tmp_path, tmp_path / "missing.png"])
    assert [Path(one.image).name for one in found.rows] == [f"{n:03d}.png" for n in range(BATCH + 2) if n != 1]
    assert set(found.failed) == {str(torn), str(tmp_path / "missing.png")}
    whole = predict(rgb(), [tmp_path / "065.png"])[0]
    assert found.rows[-1].probabilities == pytest.approx(whole.probabilities, abs=1e-6)


def deep(path: Path, scale: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A 16-bit image of values 0..scale at `path`; returns the same with 8 bits."""
    pixels = stream(0, "deep").integers(0, 256, (8, 8), dtype=np.uint8)
    pixels[0, :2] = (0, 255)
    Image.fromarray(np.round(pixels / 255 * scale).astype(np.uint16)).save(path)
    return pixels


@pytest.mark.parametrize("scale", [255, 4095, 65535])
def test_more_than_8_bits_for_a_network_of_8_bits(tmp_path: Path, scale: int) -> None:
    pixels = deep(tmp_path / "a.png", scale)
    found = predict_each(kernels(), [tmp_path / "a.png"])
    assert found.rows[0].probabilities == pytest.approx(
        _probabilities(kernels(), torch.from_numpy(pixels)[None]), abs=0.02
    )
    assert f"0:{scale} are black and white (found from the given images)" in found.notes[0]


def test_the_range_of_the_training_holds(tmp_path: Path) -> None:
    bundle = replace(kernels(), range=PixelRange(0, 4095, "integer"))
    pixels = deep(tmp_path / "a.png", 4095)
    Image.fromarray((pixels.astype(np.uint16) * 16) // 8).save(tmp_path / "dark.png")
    Image.fromarray(pixels).save(tmp_path / "eight.png")
    found = predict_each(bundle, [tmp_path / name for name in ("a.png", "dark.png", "eight.png")])
    for row, values in zip(found.rows, (pixels, pixels // 8, pixels), strict=True):
        assert row.probabilities == pytest.approx(_probabilities(bundle, torch.from_numpy(values)[None]), abs=0.03)
    deep(tmp_path / "other.png", 65535)
    mixed = predict_each(bundle, [tmp_path / "other.png", tmp_path / "a.png"])
    assert "0:4095 were black and white in the training" in mixed.failed[str(tmp_path / "other.png")]
    assert [row.image for row in mixed.rows] == [str(tmp_path / "a.png")]


def test_a_given_range_of_8_bits_and_another_fit(tmp_path: Path) -> None:
    bundle = replace(kernels(), range=PixelRange(0, 15, "uint8", True), fit="stretch")
    pixels = np.tile(np.repeat(np.array([3, 12], np.uint8), 8), (8, 1))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = image_tensor(tmp_path / "a.png", bundle.task, Reading((8, 8), bundle.fit, bundle.range))
    assert read[0, 0, 0] == 51
    assert read[0, 0, -1] == 204
    row = predict(bundle, [tmp_path / "a.png"])[0]
    assert row.probabilities == pytest.approx(_probabilities(bundle, read), abs=1e-5)


def test_images_without_a_common_range_are_read_each_by_itself(tmp_path: Path) -> None:
    deep(tmp_path / "a.png", 4095)
    Image.fromarray(np.full((8, 8), -3.5, np.float32)).save(tmp_path / "b.tif")
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "c.tif")
    found = predict_each(kernels(), [tmp_path / name for name in ("a.png", "b.tif", "c.tif")])
    assert [Path(row.image).name for row in found.rows] == ["a.png", "c.tif"]
    assert "save it with 8 bits" in found.failed[str(tmp_path / "b.tif")]


def test_a_training_on_few_levels_is_told(tmp_path: Path) -> None:
    _save(tmp_path / "a.png", 8, 8)
    bundle = replace(kernels(), range=PixelRange(0, 16, "float"))
    assert "In the training 0:16 were black and white" in predict_each(bundle, [tmp_path / "a.png"]).notes[0]
