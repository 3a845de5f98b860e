"""Talking to the person: errors, notes and results."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import typer

from pixelgrad.cli.memory import release_memory
from pixelgrad.errors import PixelgradError
from pixelgrad.runtime.failures import NO_MEMORY

P = ParamSpec("P")
R = TypeVar("R")
_STDOUT = "standard output"


def say(line: str) -> None:
    """A line on stderr; where that cannot be written, a log on a full disk, say, the work goes on without."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def fail(message: str) -> None:
    """One line on stderr."""
    say(f"pixelgrad: error: {message}")


def reason(error: BaseException) -> str:
    """What went wrong, in words."""
    return NO_MEMORY if isinstance(error, MemoryError) else str(error)


def note(message: str, *, quiet: bool = False) -> None:
    """A line on stderr that only informs."""
    if not quiet:
        say(f"pixelgrad: {message}")


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    tell(json.dumps(value, sort_keys=True))


def tell(line: str) -> None:
    """A line on stdout."""
    try:
        print(line, flush=True)  # now, while it is known what a full disk is to take
    except OSError as error:
        raise OSError(error.errno, error.strerror, _STDOUT) from error


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a command raises into one clear line and an exit code; ``PIXELGRAD_DEBUG=1`` shows the traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (PixelgradError, MemoryError) as error:
            if os.environ.get("PIXELGRAD_DEBUG") == "1":
                raise
            fail(reason(error))
            raise typer.Exit(1) from None
        except BrokenPipeError:  # who reads our output, head say, has had enough
            if os.environ.get("PIXELGRAD_DEBUG") == "1":
                raise
            # Python flushes stdout once more at the end, which would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except OSError as error:  # a name that is too long, a folder that is closed to us, a disk that fails
            if os.environ.get("PIXELGRAD_DEBUG") == "1":
                raise
            if error.filename == _STDOUT:
                fail(f"{_STDOUT}: {error.strerror}; free some space, or send it elsewhere")
                sys.stdout = None  # what is left in it would fail once more at the end
            else:
                fail(f"{error.filename or 'the file system'}: {error.strerror or error}; check the path")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            fail("interrupted")
            raise typer.Exit(130) from None
        finally:
            release_memory()

    return wrapped
