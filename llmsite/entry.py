"""What manage.py does once everything is installed: pytest for `test`, Django's commands for the rest."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

from llmsite.serve.exits import Exit, explain
from llmsite.serve.options import into_environment


def _leave_the_end_to_the_server(number: int, frame: object) -> None:
    """For Django's reloader. Ctrl-C reaches the process that serves, too, which saves what is being answered; its parent would kill it a quarter of
    a second later, on a busy computer in the middle of that. A second Ctrl-C ends both at once."""
    signal.signal(number, signal.default_int_handler)


def run(argv: Sequence[str]) -> int:
    """Carry out a command line. Returns the exit code; what a person can mend is one sentence, without a traceback."""
    command = argv[1] if len(argv) > 1 else ""
    if command == "test":
        from llmsite import test_runner

        return test_runner.run(argv[2:])
    if command in ("serve", "engine"):
        into_environment(argv[2:], os.environ, command)
    # RUN_MAIN is what the reloader tells the process that serves.
    if command == "runserver" and "--noreload" not in argv and os.environ.get("RUN_MAIN") != "true":
        signal.signal(signal.SIGINT, _leave_the_end_to_the_server)

    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(list(argv))
    except KeyboardInterrupt:
        return Exit.AT_ONCE
    except Exception as error:
        stopped = explain(error)
        if stopped is None:
            raise
        logging.getLogger(__name__).info("%s ends: %s", command, stopped.sentence, exc_info=error)
        print(stopped.sentence, file=sys.stderr)
        return stopped.code
    return Exit.OK
