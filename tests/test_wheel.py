"""The wheel, installed away from the repository it was built from, is all that Chronas needs but its dependencies."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIP = ("-m", "pip", "--isolated", "--disable-pip-version-check", "--quiet")
OFFLINE = ("--no-index", "--no-deps")
TINY = ("--set", "space.layers=2", "--set", "space.width=4", "--set", "space.m=3", "--device", "cpu", "--quiet")

Run = Callable[..., str]


def run_in(folder: Path, *words: str, **environment: str) -> str:
    """What Python with `words` prints, in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "CHRONAS"))}
    done = subprocess.run([sys.executable, *words], cwd=folder, env={**kept, **environment}, capture_output=True,
                          text=True, encoding="utf-8", timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    for package in ("pip", "hatchling"):
        if importlib.util.find_spec(package) is None:
            pytest.fail(f"The wheel cannot be built: {package} is not installed. Run: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    run_in(ROOT, *PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder), ".")
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    run_in(folder, *PIP, "install", *OFFLINE, "--target", str(folder), str(wheel))
    return folder


@pytest.fixture
def python(installed: Path, tmp_path: Path) -> Run:
    """Runs Python in an empty folder, with the installed wheel before the repository."""

    def run(*words: str) -> str:
        return run_in(tmp_path, *words, PYTHONPATH=str(installed))

    return run


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        found = {name for name in opened.namelist() if ".dist-info/" not in name}
        licences = [name for name in opened.namelist() if ".dist-info/licenses/" in name]
    source = ROOT / "src"
    files = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}
    assert found == {name for name in files if "__pycache__" not in name and not name.endswith(".pyc")}
    assert {Path(name).suffix for name in found} == {".py", ".typed", ".j2", ".table", ".npz"}
    assert sorted(Path(name).name for name in licences) == ["LICENSE", "NOTICE"]


def test_what_is_imported_is_the_wheel(python: Run, installed: Path) -> None:
    import chronas

    code = "import chronas, importlib.metadata as m; print(chronas.__file__, chronas.__version__, m.version('chronas'))"
    version = chronas.__version__
    assert python("-c", code).split() == [str(installed / "chronas" / "__init__.py"), version, version]
    assert python(str(installed / "bin" / "chronas"), "--version") == f"chronas {version}\n"


def test_help_and_lists(python: Run) -> None:
    assert "chronas fit" in python("-m", "chronas", "--help")
    listed = python("-m", "chronas", "list")
    for name in ("nasib", "superkernel", "naswot", "nasbench201"):
        assert name in listed


def test_a_comparison_on_the_table_inside_the_wheel(python: Run, tmp_path: Path) -> None:
    shown = python("-m", "chronas", "compare", "nasbench201", "--methods", "random,naswot", "--budget", "1000s",
                   "--runs", "2", "--out", "page")  # fmt: skip
    assert "random" in shown
    assert "<svg" in next((tmp_path / "page").glob("*.html")).read_text(encoding="utf-8")


def test_a_run_with_its_report(python: Run, tmp_path: Path) -> None:
    python("-m", "chronas", "fit", "digits", "--budget", "1 epochs", "--out", "run", *TINY)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "finished"
    (tmp_path / "run" / "report.html").unlink()
    python("-m", "chronas", "report", "run")
    assert "<svg" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
