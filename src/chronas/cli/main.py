"""Finds the verb, runs it, and turns every ending into an exit code and at most one plain message."""

from __future__ import annotations

import atexit
import contextlib
import errno
import importlib
import io
import json
import os
import shlex
import shutil
import stat
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Protocol, cast

import chronas
from chronas.cli.began import process_began
from chronas.cli.verbs import VERBS, overview
from chronas.cli.words import Namespace, Parser
from chronas.errors import ChronasError, InternalError, UnknownNameError
from chronas.execution.interrupt import Interrupted
from chronas.memory import keep_freed_memory

BROKEN_PIPE = 141
WORKING = ("fit", "search", "train", "resume", "demo")
"""The verbs of which a stopped one can be gone on with."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class VerbModule(Protocol):
    """What a module of `chronas.cli` offers for its verb."""

    def parser(self) -> Parser:
        """The verb's words."""

    def run(self, words: Namespace, started: float) -> int:
        """Do it; returns the exit code. `words.run` or `words.out` names the run folder, once it is known."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line `argv` (default: sys.argv) and end the process with its exit code.

    0 done; 1 failed; 2 wrong words; 130, 143 and 129 stopped by Ctrl-C, SIGTERM and SIGHUP.
    """
    from chronas.cli import IMPORTED

    started = process_began(IMPORTED) if argv is None else time.monotonic()
    if argv is None:
        keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few letters shows "?" for the others
    code = _ended(list(sys.argv[1:] if argv is None else argv), started)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or (0 if _reader_gone(error) else _unwritten(error))
        _let_go_of_stdout()
    if argv is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End the process at once, after what was registered for its end.

    Taking down the interpreter with torch in it takes half a second of the user's time and serves nobody.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _ended(argv: list[str], started: float) -> int:
    words = Namespace()
    try:
        return _run(argv, started, words)
    except (InternalError, NotImplementedError) as error:
        return _bug(error, _folder(words))
    except ChronasError as error:
        _say(str(error))
        return error.exit_code
    except Interrupted as stopped:
        return _interrupted(int(stopped.args[0]), argv[0], words)
    except KeyboardInterrupt:
        return _interrupted(2, argv[0] if argv else "", words)
    except OSError as error:
        if _reader_gone(error):
            _let_go_of_stdout()
            return BROKEN_PIPE
        # Files are written where faults become EnvironmentFault: what has no name is the output.
        known = error.errno in FULL and error.filename is None
        return _unwritten(error) if known else _bug(error, _folder(words))
    except MemoryError:
        _say("The memory of this machine does not suffice. Try --size, --limit or a smaller batch_size.")
        return 1
    except Exception as error:  # noqa: BLE001  the last line of defence: reported with its traceback
        return _bug(error, _folder(words))


def _run(argv: list[str], started: float, words: Namespace) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if argv else 2
    if argv[0] in ("--version", "-V"):
        print(f"chronas {chronas.__version__}")
        return 0
    if argv[0] not in VERBS:
        raise UnknownNameError("command", argv[0], VERBS)
    module = cast(VerbModule, importlib.import_module(VERBS[argv[0]].module))
    try:
        found = module.parser().read(argv[1:])
    except SystemExit as ended:  # argparse ends the process after --help
        return int(ended.code or 0)
    vars(words).update(vars(found))
    return module.run(words, started)


def _folder(words: Namespace) -> Path | None:
    """The run folder that the words name, if it is one by now."""
    for name in ("out", "run"):
        path = getattr(words, name, None)
        with contextlib.suppress(OSError):
            if path is not None and (Path(path) / "spec.json").exists():
                return Path(path)
    return None


def _interrupted(number: int, verb: str, words: Namespace) -> int:
    folder = _folder(words) if verb in WORKING else None
    folder = None if folder and _finished(folder) else folder
    if sys.stderr.isatty():
        sys.stderr.write("\n")  # the terminal has just shown ^C
    kept = folder is not None and _has_model(folder)
    _say(
        "Stopped at once."
        + (f" Go on with: chronas resume {shlex.quote(str(folder))}" if folder else "")
        + ("; the weights kept last are there for chronas predict and export." if kept else "")
    )
    return 128 + number


def _finished(run: Path) -> bool:
    try:
        return bool(json.loads((run / "result.json").read_bytes())["status"] == "finished")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _has_model(run: Path) -> bool:
    """Whether weights were kept in a run; of one that was stopped before it could train nothing is said."""
    if "chronas.deploy.bundle" not in sys.modules:
        return False  # importing torch now would take seconds
    from chronas.deploy.bundle import MODEL

    return (run / MODEL / f"{MODEL}.json").exists()


def _bug(error: BaseException, folder: Path | None) -> int:
    text = "".join(traceback.format_exception(error))
    first = " ".join(str(error).split())[:300]
    message = f"This is a bug in Chronas, please report it: {type(error).__name__}: {first}"
    if os.environ.get("CHRONAS_DEBUG"):
        sys.stderr.write(text)
        _say(message)
        return 1
    place = _written(text, folder)
    _say(f"{message}\n" + (f"The details are in {place}" if place else "CHRONAS_DEBUG=1 shows the details."))
    return 1


def _written(text: str, folder: Path | None) -> Path | None:
    """The file with `text`, in the run or among temporary files; None where neither disk takes it."""
    places = [folder / "crash.txt"] if folder else []
    with contextlib.suppress(OSError):  # on full disks there is no folder for temporary files
        places.append(Path(tempfile.gettempdir(), f"chronas-crash-{os.getpid()}.txt"))
    for place in places:
        with contextlib.suppress(OSError):
            place.write_text(text, encoding="utf-8")
            return place
        with contextlib.suppress(OSError):
            if not place.stat().st_size:
                place.unlink()  # a full disk takes the name alone
    return None


def _say(message: str) -> None:
    """Write `message` to stderr, wrapped where that is a terminal."""
    lines = f"chronas: {message}".splitlines()
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr.isatty():
            width = max(30, shutil.get_terminal_size().columns - 1)
            lines = [part for line in lines for part in _wrapped(line, width)]
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [""]


def _reader_gone(error: OSError) -> bool:
    """Whether the reader of our output has gone, or its terminal was closed, which is no fault."""
    if error.errno != errno.EIO:
        return isinstance(error, BrokenPipeError)
    with contextlib.suppress(OSError, ValueError):
        out = os.fstat(sys.stdout.fileno())
        # A closed terminal is a device, but no terminal any more.
        device = stat.S_ISCHR(out.st_mode) and not os.path.samestat(out, os.stat(os.devnull))
        return device and not sys.stdout.isatty()
    return False


def _unwritten(error: OSError) -> int:
    """Say that the output could not be written; returns the exit code."""
    _say(f"The output cannot be written: {error.strerror or error}. Free space, or send it elsewhere.")
    return 1


def _let_go_of_stdout() -> None:
    """The rest of our output goes nowhere, silently."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
