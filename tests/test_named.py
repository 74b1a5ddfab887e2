"""Networks written as SPACE:NOTATION, by name, or as a file; what exists on the disk is a path."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronas import api
from chronas.architecture import Architecture, make_space
from chronas.errors import ArchitectureError, RunError, UnknownNameError, UsageError
from chronas.named import NAMES, example_notation, find_source, left_open, read_architecture
from chronas.seeding import stream
from chronas.spaces import SPACES
from chronas.spaces.moves import sample

PLAIN = "resnet:full-32-1-1-2-basic"


@pytest.mark.parametrize("name", SPACES.names())
def test_every_space_reads_back_what_it_writes(name: str) -> None:
    space = make_space(name)
    for index in range(5):
        choices = sample(space, stream(index, "named"))
        read = read_architecture(f"{name}:{space.notation(choices)}")
        assert read.space.names(read.choices) == space.names(choices)
        assert Architecture.from_json(read.to_json()).choices == read.choices
    assert read_architecture(f"{name}:{example_notation(space)}").notation == example_notation(space)


@pytest.mark.parametrize("name", SPACES.names())
@pytest.mark.parametrize("notation", ["", "x", "1-2", "|x~0|", "::", "0" * 400, "3x3-" * 300, "full-0-0-0-0-basic"])
def test_a_wrong_notation_is_a_plain_message(name: str, notation: str) -> None:
    with pytest.raises(UsageError) as error:
        read_architecture(f"{name}:{notation}")
    told = str(error.value)
    assert f"Example: {name}:" in told or f"Example: '{name}:" in told or "space." in told


@given(st.sampled_from(SPACES.names()), st.text("0123456789x-:|~+,/=abnormlsingkcfu ", max_size=30))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_no_notation_raises_anything_else(name: str, notation: str) -> None:
    with contextlib.suppress(UsageError):
        read_architecture(f"{name}:{notation}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("superkernel:3x3-5x1-2x4", {"layers": 3, "m": 9, "options": ()}),
        ("superkernel:12x3", {"layers": 1, "m": 12, "options": ()}),
        ("superkernel:sep5x5-3x3-sep5x5", {"layers": 3, "options": ("sep5x5", "3x3")}),
        ("resnet:half-40-1-5-2-single", {"widths": (16, 24, 32, 48, 64, 96, 40), "most_blocks": 5}),
        (PLAIN, {"widths": (16, 24, 32, 48, 64, 96), "most_blocks": 3}),
        ("natssize:8:16:24:40:70", {"widths": (8, 16, 24, 32, 40, 48, 56, 64, 70)}),
        ("transnas_macro:32-111114-basic", {"width": 32}),
    ],
)
def test_the_notation_tells_settings(text: str, told: dict[str, Any]) -> None:
    read = read_architecture(text)
    assert read.notation == text.partition(":")[2]
    assert {name: getattr(read.space.settings, name) for name in told} == told


def test_width_and_depth_of_published_cells_need_not_be_usual() -> None:
    usual = make_space("nds_darts")
    text = usual.notation(sample(usual, stream(0, "named")))
    assert "/depth=" in text
    read = read_architecture("nds_darts:" + text.replace(text.split("/normal")[0], "width=36/depth=7"))
    assert read.notation.startswith("width=36/depth=7/")


def test_given_settings_win_and_the_rest_is_named() -> None:
    read = read_architecture("superkernel:3x3-5x1", {"width": "8", "m": 5})
    assert (read.space.settings.width, read.space.settings.m) == (8, 5)
    assert left_open("superkernel:3x3-5x1", {"width": "8"}) == {"dense_limit": 9, "reductions": 3, "dropout": 0.0}
    assert left_open("nasbench_macro:22212202") == {"width": 32}
    with pytest.raises(UsageError, match="is 5 options joined by '-', but '3x3-5x1' has 2"):
        read_architecture("superkernel:3x3-5x1", {"layers": 5})
    with pytest.raises(UnknownNameError, match="Did you mean 'width'"):
        read_architecture("superkernel:3x3-5x1", {"widht": 8})
    with pytest.raises(UsageError, match="dropout must lie in"):
        read_architecture(PLAIN, {"dropout": 2})


def test_wrong_words_name_rule_and_example() -> None:
    with pytest.raises(
        UsageError, match=r"is 6 options joined by '-', but 'full-32' has 2. Example: resnet:full-32-1-1"
    ):
        read_architecture("resnet:full-32")
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet'"):
        find_source("resnett:full-32-1-1-2-basic")


def test_names_stand_for_architectures() -> None:
    found = find_source("resnet-plain")
    assert isinstance(found, Architecture)
    assert (found.space.name, found.notation) == ("resnet", "full-32-1-1-2-basic")
    for name in NAMES:
        assert ":" not in name
        assert read_architecture(name).notation == NAMES[name].partition(":")[2]


@pytest.mark.parametrize("text", ["absent", "resnet-plian", "runs/a:b", "C:\\runs\\a", "C:/runs/a", "./resnet:x"])
def test_a_path_that_is_not_there_gets_the_hint(text: str) -> None:
    with pytest.raises(RunError, match=r"is no run folder: it does not exist.*SPACE:NOTATION, for example resnet:full"):
        find_source(text)


def test_a_file_or_folder_with_a_colon_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(PLAIN).write_text(json.dumps(read_architecture("superkernel:3x3-5x1").to_json()))
    found = find_source(PLAIN)
    assert isinstance(found, Architecture)
    assert found.notation == "3x3-5x1"
    (tmp_path / "resnet-plain").mkdir()
    with pytest.raises(RunError, match="is no run folder") as error:
        find_source("resnet-plain")
    assert "SPACE:NOTATION" not in str(error.value)
    with pytest.raises(UsageError, match="Settings of the space are for SPACE:NOTATION"):
        find_source(PLAIN, {"width": 8})


def test_damaged_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"format": 1, "space": "resnet", "settings": {}, "choices": {}}')
    with pytest.raises(ArchitectureError, match=r"a\.json"):
        find_source(file)


def test_train_in_python_takes_a_notation_and_a_file(tmp_path: Path) -> None:
    options = api.Options(device="cpu", limit=40, settings={"space": {"width": 4}})
    ended = api.train("superkernel:3x3-1x1", "digits", budget="1 epoch", out=tmp_path / "a", options=options)
    row = ended.network()
    assert row is not None
    assert row["notation"] == "3x3-1x1"
    assert row["architecture"]["settings"]["width"] == 4
    file = tmp_path / "net.json"
    file.write_text(json.dumps(row["architecture"]))
    again = api.train(file, "digits", budget="1 epoch", out=tmp_path / "b", options=api.Options(device="cpu", limit=40))
    assert (again.network() or {})["params"] == row["params"]
    # The usual space has no such setting.
    narrow = api.Options(device="cpu", limit=40, settings={"space": {"widths": (4, 8)}})
    ended = api.train("resnet:full-4-1-1-1-single", "digits", budget="1 epoch", out=tmp_path / "d", options=narrow)
    assert (ended.network() or {})["architecture"]["settings"]["widths"] == (4, 8)
    with pytest.raises(UsageError, match="needs `out`"):
        api.train(PLAIN, "digits", budget="1 epoch")
    with pytest.raises(UsageError, match="Example: resnet"):
        api.train("resnet:full", "digits", budget="1 epoch", out=tmp_path / "c")
    assert not (tmp_path / "c").exists()
