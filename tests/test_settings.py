"""Settings from a command line, YAML and Python meet in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from chronas.architecture import make_space
from chronas.errors import UnknownNameError, UsageError
from chronas.methods import METHODS
from chronas.settings import parse_assignments, resolve
from chronas.spaces import SPACES
from chronas.spec import check_groups
from chronas.training.supernet import SupernetSettings


@dataclass(frozen=True)
class Sample:
    """One setting of each type."""

    rate: float = 0.1
    count: int = 3
    flag: bool = False
    mode: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = (1, 2)
    word: str = "x"

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise UsageError(f"sample.rate must be positive, but got {self.rate}.")


def test_defaults() -> None:
    assert resolve(Sample, {}, prefix="sample") == Sample()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("rate", "0.2", 0.2),
        ("rate", "1e-3", 0.001),
        ("rate", 1, 1.0),
        ("rate", 0.5, 0.5),
        ("count", "7", 7),
        ("count", 7, 7),
        ("flag", "true", True),
        ("flag", True, True),
        ("mode", "b", "b"),
        ("names", "3x3,5x5", ("3x3", "5x5")),
        ("names", "3x3, 5x5,", ("3x3", "5x5")),
        ("names", ["3x3"], ("3x3",)),
        ("names", ("3x3", "1x1"), ("3x3", "1x1")),
        ("names", "[a, b]", ("a", "b")),
        ("sizes", "16,32", (16, 32)),
        ("sizes", [16, 32], (16, 32)),
        ("word", "y", "y"),
    ],
)
def test_values_from_all_sides(name: str, value: Any, expected: Any) -> None:
    found = getattr(resolve(Sample, {name: value}, prefix="sample"), name)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "fast"),
        ("rate", None),
        ("rate", [0.1]),
        ("count", "2.5"),
        ("count", 2.5),
        ("count", "many"),
        ("flag", "perhaps"),
        ("flag", 3),
        ("mode", "c"),
        ("sizes", "a,b"),
        ("sizes", 5),
        ("sizes", {"a": 1}),
        ("names", 5),
    ],
)
def test_wrong_types_name_the_setting_and_the_value(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"sample\.{name} must be"):
        resolve(Sample, {name: value}, prefix="sample")


def test_ranges_are_checked_by_the_class() -> None:
    with pytest.raises(UsageError, match=r"sample\.rate must be positive, but got -1\.0"):
        resolve(Sample, {"rate": "-1"}, prefix="sample")


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no sample setting named 'raet'\. Did you mean 'rate'\?"):
        resolve(Sample, {"raet": 1}, prefix="sample")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'method'\?"):
        check_groups({"metod": {}})
    check_groups({"space": {}, "method": {}, "supernet": {}, "recipe": {}})


def test_assignments() -> None:
    assert parse_assignments(["method.k=0.2", "space.m=5", "method.lam = 1", "a.b=c=d"]) == {
        "method": {"k": "0.2", "lam": "1"},
        "space": {"m": "5"},
        "a": {"b": "c=d"},
    }


@pytest.mark.parametrize("word", ["", "k=1", "method.k", ".k=1", "method.=1", "="])
def test_bad_assignments(word: str) -> None:
    with pytest.raises(UsageError, match=r"--set takes GROUP\.NAME=VALUE"):
        parse_assignments([word])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("superkernel", {"layers": 0}),
        ("superkernel", {"m": 16}),
        ("superkernel", {"width": -3}),
        ("superkernel", {"dropout": 1.0}),
        ("superkernel", {"dropout": "nan"}),
        ("superkernel", {"options": ["3x3", "3x3"]}),
        ("superkernel", {"options": ["0x3"]}),
        ("superkernel", {"options": ["conv"]}),
        ("superkernel", {"reductions": 7}),
        ("resnet", {"widths": []}),
        ("resnet", {"widths": [16, 16]}),
        ("resnet", {"widths": [0, 16]}),
        ("resnet", {"most_blocks": 0}),
    ],
)
def test_spaces_refuse_settings_out_of_range(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make_space(name, settings)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("random", {"candidates": -1}),
        ("halving", {"eta": 1}),
        ("halving", {"candidates": 0}),
        ("rsps", {"train_share": 1.0}),
        ("rsps", {"candidates": 0}),
        ("nasib", {"k": 0}),
        ("nasib", {"k": 1.5}),
    ],
)
def test_methods_refuse_settings_out_of_range(method: str, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        resolve(METHODS.load(method).Settings, settings, prefix="method")


@pytest.mark.parametrize("changes", [{"batch_size": 1}, {"lr": 0}, {"momentum": 1}, {"clip": -1}])
def test_supernet_settings_out_of_range(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        resolve(SupernetSettings, changes, prefix="supernet")


@pytest.mark.parametrize("cls", [*(SPACES.load(n).Settings for n in SPACES.names()),
                                 *(METHODS.load(n).Settings for n in METHODS.names())])  # fmt: skip
def test_resolved_settings_resolve_to_themselves(cls: type[Any]) -> None:
    made = cls()
    again = resolve(cls, {name: getattr(made, name) for name in made.__dataclass_fields__}, prefix="x")
    assert again == made
