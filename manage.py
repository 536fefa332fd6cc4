#!/usr/bin/env python3
"""Django's entry point. Outside a virtual environment it first makes .venv beside this file and goes on in there: see llmsite/bootstrap.py.

This file must be readable by old Pythons (3.6), so that they can say that they are too old.
"""

import os
import sys

WANTED = (3, 11)
INSTALL_FAILED = 10  # llmsite.serve.exits.Exit.INSTALL, which an old Python cannot import


def main():
    if sys.version_info < WANTED:
        have, wanted = ("{}.{}".format(*version) for version in (sys.version_info, WANTED))
        sys.stderr.write(f"Python {wanted} or newer is needed, and this is {have}. Install a newer one and start again with it.\n")
        return INSTALL_FAILED

    # An output that cannot show a character shows "?", rather than ending the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    from llmsite import bootstrap, entry

    code = bootstrap.ensure_environment(sys.argv)
    return entry.run(sys.argv) if code is None else code


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmsite.settings")
    sys.exit(main())
