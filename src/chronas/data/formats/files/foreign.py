"""Data of other tasks, told by its folders: object detection and segmentation, which Chronas does not do."""

from __future__ import annotations

from collections.abc import Callable

from chronas.data.formats.files.layout import part_of
from chronas.data.formats.files.source import Source
from chronas.data.formats.files.tree import Tree
from chronas.errors import DataError

ADVICE = (
    "Chronas classifies whole images: one label each. Put the images of each class into a folder of its name "
    "(cat/1.jpg, dog/2.jpg), or write a table of labels (labels.csv with file_name,label) beside them."
)
_IMAGES = ("images", "imgs", "img", "image", "jpegimages")


def refuse_foreign(source: Source) -> None:
    """A DataError that names what the data is, where it is made for another task."""
    for tree in _levels(source.tree):
        for look in (_yolo, _voc, _coco, _segmentation):
            found = look(tree)
            if found:
                raise DataError(f"{source.place(tree.path)} holds {found}. {ADVICE}")


def _levels(tree: Tree) -> list[Tree]:
    """The folder, those of its parts, and the same inside a single folder around them."""
    found = [tree, *(inner for name, inner in tree.folders.items() if part_of(name))]
    full = tree.with_images()
    if len(full) == 1 and not tree.images and full[0] not in found:
        found += _levels(full[0])
    return found


def _yolo(tree: Tree) -> str | None:
    images, labels = _flat_images(tree), _named(tree, ("labels",))
    if images is None or labels is None or not _some_file(labels, lambda name: name.endswith(".txt")):
        return None
    return (
        f"labels of object detection (YOLO: a folder {images.name!r} and one {labels.name!r} with a text file for "
        "each image)"
    )


def _voc(tree: Tree) -> str | None:
    images, labels = _flat_images(tree), _named(tree, ("annotations",))
    if images is None or labels is None or not _some_file(labels, lambda name: name.endswith(".xml")):
        return None
    return (
        f"labels of object detection (Pascal VOC: {labels.name!r} with an XML file for each image of {images.name!r})"
    )


def _coco(tree: Tree) -> str | None:
    if not _no_classes(tree):
        return None
    files = [*tree.others, *(f"{inner.name}/{name}" for inner in tree.folders.values() for name in inner.others)]
    labels = _named(tree, ("annotations",))
    if labels is not None and _some_file(labels, _is_coco_name):
        return f"labels of object detection (COCO: JSON files in {labels.name!r})"
    beside = next((name for name in files if name.endswith("_annotations.coco.json")), None)
    return f"labels of object detection (COCO: {beside})" if beside else None


def _is_coco_name(name: str) -> bool:
    starts = ("instances", "captions", "person_keypoints", "train", "val", "test", "annotations", "_annotations")
    return name.endswith(".json") and name.startswith(starts)


def _segmentation(tree: Tree) -> str | None:
    images, masks = _flat_images(tree), _named(tree, ("masks", "mask", "labels", "annotations", "segmentationclass"))
    if images is None or masks is None or masks.folders:
        return None
    stems = {name.rpartition(".")[0] for name in images.images}
    alike = sum(name.rpartition(".")[0] in stems for name in masks.images)
    if not alike or alike < len(masks.images) / 2:
        return None
    return f"masks of segmentation (a folder {images.name!r} and one {masks.name!r} with an image for each)"


def _named(tree: Tree, names: tuple[str, ...]) -> Tree | None:
    return next((inner for name, inner in sorted(tree.folders.items()) if name.lower() in names), None)


def _flat_images(tree: Tree) -> Tree | None:
    """A folder of images by its name, unless class folders lie in it (or in its parts)."""
    found = _named(tree, _IMAGES)
    if found is None or any(inner.with_images() if part_of(inner.name) else True for inner in found.with_images()):
        return None
    return found


def _no_classes(tree: Tree) -> bool:
    """Whether images lie in parts or in a folder `images` alone, not in folders that may be classes."""
    return all(
        (inner.name.lower() in _IMAGES or part_of(inner.name)) and _no_classes(inner) for inner in tree.with_images()
    )


def _some_file(tree: Tree, wanted: Callable[[str], bool]) -> bool:
    return any(wanted(name.lower()) for inner in tree.walk() for name in inner.others)
