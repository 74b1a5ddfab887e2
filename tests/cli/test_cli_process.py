"""The command as a process of its own: what it imports, its signals, its pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_support import TINY

from chronas.cli.began import LONGEST_START, process_began
from chronas.cli.verbs import VERBS

CHRONAS = (sys.executable, "-m", "chronas")
IMPORTS = """
import sys
from chronas.cli import main
for words in {words!r}:
    try:
        main(words)
    except SystemExit as ended:
        assert ended.code == 0, ended.code
print("torch" in sys.modules, "numpy" in sys.modules)
"""


def test_help_and_list_import_no_torch() -> None:
    words = [["--help"], ["--version"], ["list"], *([verb, "--help"] for verb in VERBS)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(words=words)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False False"
    for verb in VERBS:
        assert f"usage: chronas {verb}" in done.stdout


def test_a_reader_that_leaves_is_no_fault() -> None:
    line = f"'{sys.executable}' -m chronas list | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "141")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
@pytest.mark.parametrize("much", [False, True])
def test_output_that_cannot_be_written_is_a_fault(much: bool) -> None:
    """Much of it fails while it is printed, little of it in the end."""
    long = "sys.modules['chronas.cli.main'].overview = lambda: 'x' * 100_000; " if much else ""
    words = [sys.executable, "-c", f"import sys; from chronas.cli import main; {long}main(['help'])"]
    with open("/dev/full", "w") as full:
        buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert done.stderr == (
        "chronas: The output cannot be written: No space left on device. Free space, or send it elsewhere.\n"
    )
    assert done.returncode == 1


def test_a_terminal_that_was_closed_is_no_fault() -> None:
    pty = pytest.importorskip("pty")
    outer, inner = pty.openpty()
    words = "import sys; from chronas.cli import main; sys.stdin.read(); main(['help'])"
    process = subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=inner, stderr=subprocess.PIPE
    )
    os.close(inner)
    os.close(outer)
    _, said = process.communicate()
    assert said == b""
    assert process.returncode in (0, 141)


def test_a_run_goes_on_when_its_reader_leaves(tmp_path: Path) -> None:
    """A budget is not thrown away because someone typed `| head`."""
    words = f"fit digits --budget '2 epochs' --out '{tmp_path / 'r'}' {' '.join(TINY)}"
    line = f"'{sys.executable}' -m chronas {words} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")
    assert json.loads((tmp_path / "r" / "result.json").read_text())["status"] == "finished"


def test_python_dash_m_and_exit_code() -> None:
    done = subprocess.run([*CHRONAS, "fit"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("chronas: chronas fit needs DATA")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_says_how_to_go_on(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    out = tmp_path / "r"
    words = [*CHRONAS, "search", "digits", "--budget", "2000 epochs", "--out", str(out), *TINY]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _wait_for(out / "best.json", process)
        process.send_signal(sent)
        shown, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, errors
    assert f"Go on with: chronas resume {out}" in shown
    assert "\x1b" not in shown
    assert errors == ""


def _wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if file.exists() or process.poll() is not None:
            return
        time.sleep(0.05)


def test_the_clock_begins_with_the_process() -> None:
    code = (
        "import time; now = time.monotonic(); from chronas.cli.began import process_began;"
        "print(now - process_began(now))"
    )
    age = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0 < age < LONGEST_START


def test_the_clock_is_not_fooled_by_an_old_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chronas.cli.began._age", lambda now: 5000.0)
    now = time.monotonic()
    assert now - LONGEST_START <= process_began(now) <= now
