"""What manage.py does once everything is installed: pytest for `test`, Django's commands for the rest."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from llmsite.serve.exits import Exit, explain
from llmsite.serve.options import into_environment


def run(argv: Sequence[str]) -> int:
    """Carry out a command line. Returns the exit code; what a person can mend is one sentence, without a traceback."""
    command = argv[1] if len(argv) > 1 else ""
    if command == "test":
        from llmsite import test_runner

        return test_runner.run(argv[2:])
    if command in ("serve", "engine"):
        into_environment(argv[2:], os.environ, command)

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
