"""What stops a stage, as one sentence for the person who started it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import torch


class StageError(Exception):
    """Something its owner can repair; the message says what was expected and what came."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on a GPU or on the CPU (where torch raises a plain RuntimeError)."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def command(main: Callable[[list[str] | None], None]) -> Callable[[list[str] | None], None]:
    """A module's `main` that ends with a sentence and exit code 1 instead of a traceback, where the problem is known."""

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> None:
        try:
            main(argv)
        except StageError as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            sys.exit("\nStopped. The same command goes on from the last checkpoint.")
        except OSError as error:
            if error.filename is None:
                raise
            sys.exit(f"{error.filename}: {error.strerror or error}.")
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            sys.exit("Out of memory: the model does not fit beside what else is in memory. What was finished before is kept; try a smaller model.")

    return run
