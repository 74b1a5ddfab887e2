"""Torch Datasets and whatever else gives images and labels one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chronas.data.formats.huggingface.features import IMAGE_NAMES, LABEL_NAMES, chosen_name
from chronas.data.formats.labels import Pixels, label_parts
from chronas.data.formats.python.images import labels_of, one_image, stacked
from chronas.data.formats.python.kinds import described, is_indexed
from chronas.data.options import DataOptions
from chronas.data.raw import Raw, Values
from chronas.errors import DataError
from chronas.memory import free_memory


def from_datasets(parts: Mapping[str, Any], where: str, options: DataOptions) -> Raw:
    """A data set out of torch Datasets, or anything that gives images and labels alike.

    Args:
        parts: Datasets by part: train, val, test. Their items are (image, label) or a dict with both; images as
            `one_image` takes them. Where they have an end but no length they are gone through once.
        where: the data's name in messages.
        options: how it is read.

    Returns:
        The data set; `classes` of the training Dataset, or its `features`, name the classes.

    Raises:
        DataError: for items that are no image with its label, and an empty Dataset.
    """
    made = {part: _gathered(dataset, f"{where}{'' if part == 'train' else f' ({part})'}", options)
            for part, dataset in parts.items()}  # fmt: skip
    names = {part: _class_names(dataset, options) for part, dataset in parts.items()}
    for part, classes in names.items():
        if names["train"] and classes and classes != names["train"]:
            raise DataError(f"{where}: the {part} Dataset numbers other classes than the training one: "
                            f"{', '.join(classes[:5])}, not {', '.join(names['train'][:5])}.")  # fmt: skip
    return label_parts(made, where, names["train"])


def _gathered(dataset: Any, where: str, options: DataOptions) -> tuple[Pixels, Any]:
    images: list[Values] = []
    labels: list[Any] = []
    room, taken = free_memory(), 0
    for index, item in enumerate(_items(dataset)):
        image, label = _pair(item, f"{where} item {index}", options)
        images.append(one_image(image, f"{where} item {index}", options))
        labels.append(_label(label))
        taken += images[-1].nbytes
        if 2 * taken > room:
            raise DataError(f"{where}: after {index + 1} images half of the free memory is full. Give smaller images "
                            "or fewer (of a Dataset without end a part that ends), or a folder of files.")  # fmt: skip
    if not images:
        raise DataError(f"{where} is empty.")
    return stacked(images, f"{where} item"), labels_of(labels)


def _items(dataset: Any) -> Iterator[Any]:
    if isinstance(dataset, list | tuple) or not is_indexed(dataset):
        yield from dataset
    else:
        yield from (dataset[index] for index in range(len(dataset)))


def _pair(item: Any, where: str, options: DataOptions) -> tuple[Any, Any]:
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    if isinstance(item, Mapping):
        names = [str(name) for name in item]
        image = chosen_name(names, options.image_column, IMAGE_NAMES, "image", where)
        label = chosen_name(names, options.label_column, LABEL_NAMES, "label", where)
        return item[image], item[label]
    raise DataError(f"{where}: must be (image, label) or a dict with both, not {described(item)}.")


def _label(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def _class_names(dataset: Any, options: DataOptions) -> tuple[str, ...]:
    """The names that a Dataset, the Dataset around which it is wrapped (a Subset), or its features tell."""
    for _ in range(8):
        names = getattr(dataset, "classes", None)
        if isinstance(names, list | tuple) and names:
            return tuple(str(name) for name in names)
        if not hasattr(dataset, "dataset"):
            break
        dataset = dataset.dataset
    features = getattr(dataset, "features", None)
    if not isinstance(features, Mapping):
        return ()
    wanted = [options.label_column] if options.label_column else LABEL_NAMES
    feature = next((features[name] for name in wanted if name in features), None)
    names = getattr(feature, "names", None)
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()
