"""Architectures as JSON, the kernel names, the layouts of the spaces."""

from __future__ import annotations

import json

import pytest

from chronas.architecture import Architecture, make_space
from chronas.errors import ArchitectureError, UnknownNameError
from chronas.spaces.resnet import RIVAL, ResNetSettings, ResNetSpace
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace


def small() -> SuperkernelSpace:
    return SuperkernelSpace(SuperkernelSettings(layers=3, m=3))


def test_the_file_form() -> None:
    space = small()
    architecture = Architecture(space, space.parse("3x3-1x2-3x1"))
    assert architecture.notation == "3x3-1x2-3x1"
    assert architecture.to_json() == {
        "format": 1,
        "space": "superkernel",
        "settings": {
            "layers": 3,
            "width": 32,
            "m": 3,
            "dense_limit": 9,
            "reductions": 3,
            "options": (),
            "dropout": 0.0,
        },
        "choices": {"layer 1": "3x3", "layer 2": "1x2", "layer 3": "3x1"},
    }
    back = Architecture.from_json(json.loads(json.dumps(architecture.to_json())))
    assert (back.choices, back.space.settings) == (architecture.choices, space.settings)


def test_missing_settings_are_the_defaults() -> None:
    file = {
        "format": 1,
        "space": "resnet",
        "settings": {},
        "choices": ResNetSpace().names(ResNetSpace().parse(RIVAL)),
    }
    assert Architecture.from_json(file).notation == RIVAL


@pytest.mark.parametrize("choices", [(0, 0), (0, 0, 9), (0, 0, -1), (0, 0, 0, 0)])
def test_an_illegal_architecture_cannot_be_made(choices: tuple[int, ...]) -> None:
    with pytest.raises(ArchitectureError):
        Architecture(small(), choices)


def test_messages_name_the_options() -> None:
    with pytest.raises(ArchitectureError, match=r"'layer 2' cannot be '4x4'; its options are 1x1, 1x2"):
        small().parse("3x3-4x4-3x3")
    with pytest.raises(ArchitectureError, match=r"is 3 options joined by '-', but '3x3' has 1"):
        small().parse("3x3")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'superkernel'\?"):
        make_space("superkernal")


def test_a_file_of_an_unknown_space_or_version() -> None:
    good = Architecture(small(), (0, 0, 0)).to_json()
    with pytest.raises(ArchitectureError, match="no space named"):
        Architecture.from_json({**good, "space": "os.system"})
    with pytest.raises(ArchitectureError, match="has format 99; this version reads 1"):
        Architecture.from_json({**good, "format": 99})
    with pytest.raises(ArchitectureError, match=r"no space setting named 'layer'.*Did you mean 'layers'"):
        Architecture.from_json({**good, "settings": {"layer": 3}})
    with pytest.raises(ArchitectureError, match="needs settings, choices"):
        Architecture.from_json({"format": 1, "space": "superkernel"})


def test_plain_architectures() -> None:
    assert small().notation(small().plain() or ()) == "3x3-3x3-3x3"
    assert SuperkernelSpace(SuperkernelSettings(m=2)).plain() is None
    narrow = SuperkernelSpace(SuperkernelSettings(layers=2, options=("sep3x3", "conv3x3")))
    assert narrow.notation(narrow.plain() or ()) == "conv3x3-conv3x3"
    assert ResNetSpace().notation(ResNetSpace().plain() or ()) == RIVAL
    assert ResNetSpace(ResNetSettings(widths=(8, 16))).plain() is None
