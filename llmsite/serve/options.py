"""The options of `serve`, and their way into the configuration. Standard library only.

Django imports its settings, and with them the configuration, before a command reads its options. So manage.py reads these first and
writes them into the environment, where config.py finds them; a started server of any kind then has one configuration, read once.
"""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping, Sequence

from llmsite.serve.exits import table

VARIABLES = {
    "host": "LLMSITE_HOST",
    "port": "LLMSITE_PORT",
    "open": "LLMSITE_OPEN",
    "model": "LLMSITE_MODEL",
    "data": "LLMSITE_DATA",
    "quantize": "LLMSITE_QUANTIZE",
}
DESCRIPTION = "Load the model once and serve the chat to every phone around. Ctrl-C stops it."
ENGINE_DESCRIPTION = "The process with the models, for web processes (serve --web) that reach it through Redis. Ctrl-C stops it."
EPILOG = f"exit codes:\n{table()}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options: for manage.py's early look, and again for Django's own parser with its --help."""
    parser.add_argument("--host", help="the address to listen on: 0.0.0.0 is all IPv4 ones, :: all of both kinds (default: 0.0.0.0)")
    parser.add_argument("--port", type=_port, help="the port to listen on (default: 8000)")
    parser.add_argument("--open", action="store_true", default=None, help="no pairing: whoever reaches the port may chat")
    parser.add_argument("--model", help="a name from `manage.py models list` or llmsite.toml, or a folder (default: the embedded model)")
    parser.add_argument(
        "--quantize", choices=("int8", "int4"), help="load local models in fewer bits: half or a quarter of the memory, faster, a little less true"
    )
    parser.add_argument("--data", help="the folder for database, logs and models (default: data, beside manage.py)")
    parser.add_argument(
        "--workers", type=_workers, metavar="N", help="so many web processes and one engine process (needs PostgreSQL and Redis; see docs/serve.md)"
    )
    parser.add_argument("--web", action="store_true", help="only a web process, for an engine process elsewhere (manage.py engine)")
    parser.add_argument("--timings", action="store_true", help="say where the time of the start went")
    parser.add_argument("--no-qr", action="store_true", help="print addresses without a QR code")


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Those of `engine`: they mean what they mean for `serve`."""
    for option, help_ in (("--model", "the default model"), ("--data", "the folder for the lock, logs and models")):
        parser.add_argument(option, help=help_)
    parser.add_argument("--quantize", choices=("int8", "int4"), help="load local models in fewer bits")


def into_environment(arguments: Sequence[str], environment: MutableMapping[str, str], command: str = "serve") -> None:
    """Write what the command line of `serve` or `engine` says over the environment. A wrong value ends the program as a usage error."""
    parser = argparse.ArgumentParser(prog=f"manage.py {command}", add_help=False, allow_abbrev=False)
    (add_engine_options if command == "engine" else add_options)(parser)
    said, _ = parser.parse_known_args(arguments)  # what else there is, Django's parser understands or refuses
    if command == "engine" or said.web:
        environment["LLMSITE_ROLE"] = "engine" if command == "engine" else "web"
    for option, variable in VARIABLES.items():
        value = getattr(said, option, None)
        if value is not None:
            environment[variable] = "1" if value is True else str(value)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 64, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 65535, got {text!r}")
    return int(text)
