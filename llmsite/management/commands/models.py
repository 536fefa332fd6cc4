"""`manage.py models list | download NAME | check NAME`: which models there are, how to get one, and whether it will run here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

# Before huggingface_hub is imported, which reads it once.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from inference import hardware
from inference.catalog import found_models, resolve, unfinished_downloads
from inference.errors import EngineError
from inference.fit import size, weight_files
from llmsite.config import Config, ModelConfig
from llmsite.engines import BITS, is_remote
from llmsite.model_check import DEFAULT_CONTEXT, Question, fit_report
from llmsite.serve.words import language
from llmsite.trained import scores

if TYPE_CHECKING:
    from inference.download import Progress

OK, FAILED, DOES_NOT_FIT, INTERRUPTED = 0, 1, 3, 130

EPILOG = """exit codes:
  0    done; check: the model fits
  1    it did not work, and a sentence says why; check of a model elsewhere: none of its servers answers
  2    wrong option
  3    check: the model does not fit, and would be read from the disk for each token
  130  stopped by Ctrl-C

A mirror is a copy of the hub at another address, for places where the hub is slow or blocked. HF_ENDPOINT sets one for good.
HF_TOKEN, for models behind terms, is sent to the hub or to HF_ENDPOINT, never to --mirror."""


class Command(BaseCommand):
    help = "Which models there are, how to get one, and whether it will run on this computer."
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="list | download | check")
        actions.add_parser("list", help="the models on this computer and in llmsite.toml")
        fetch = actions.add_parser("download", help="fetch a model from the hub; run it again after an interruption, and it goes on")
        check = actions.add_parser(
            "check", help="tell before loading whether a model fits, from its config and file sizes alone; of one elsewhere, which servers answer"
        )
        fetch.add_argument("name", help="its name on the hub, like Qwen/Qwen2.5-0.5B-Instruct")
        check.add_argument("name", help="a name from `models list`, a folder, or with --hub a name on the hub")
        check.add_argument("--hub", action="store_true", help="ask the hub about a model that is not downloaded")
        check.add_argument("--context", type=_positive, metavar="TOKENS", help=f"length of a conversation (default: {DEFAULT_CONTEXT})")
        check.add_argument("--streams", type=_positive, default=1, metavar="N", help="conversations at once (default: 1)")
        check.add_argument(
            "--quantize", choices=("int8", "int4"), help="in so many bits; where it fits, load it and measure what that costs in quality"
        )
        for action in (fetch, check):
            action.add_argument("--mirror", type=_url, metavar="URL", help="ask this copy of the hub, like https://hf-mirror.com")

    def handle(self, *args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[Config, dict[str, Any]], int]] = {"list": self._list, "download": self._download, "check": self._check}
        try:
            code = actions[options["action"]](settings.CONFIG, options)
        except EngineError as error:
            self.stderr.write(str(error))
            code = FAILED
        except OSError as error:
            self.stderr.write(f"{error.filename or 'A file'}: {error.strerror or error}.")
            code = FAILED
        if code:
            sys.exit(code)

    # list

    def _list(self, config: Config, options: dict[str, Any]) -> int:
        found = found_models(config.models_dir, config.embedded_model)
        rows = [
            (m.name, "-" if m.broken else size(m.weight_bytes), f"cannot be loaded: {m.broken}" if m.broken else scores(m.folder) or m.source)
            for m in found
        ]
        for model in config.models.values():
            where = f"{model.model} {_where(model)}" if is_remote(model) else _place(model)
            rows.append((model.name, "-", f"llmsite.toml: {where}"))
        rows += [(name, "-", "download not finished") for name in unfinished_downloads(config.models_dir)]
        if not rows:
            self.stdout.write("There is no model yet. `python manage.py models download OWNER/NAME` fetches one.")
            return OK
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for name, weight, where in rows:
            mark = "*" if name == config.model else " "
            self.stdout.write(f"{mark} {name:<{widths[0]}}  {weight:>{widths[1]}}  {where}")
        if any(name == config.model for name, _, _ in rows):
            self.stdout.write("* is served by default; `python manage.py serve --model NAME` serves another.")
        return OK

    # download

    def _download(self, config: Config, options: dict[str, Any]) -> int:
        from inference.download import download  # late: huggingface_hub is only needed here

        bar = _Bar(self.stderr)
        config.models_dir.mkdir(parents=True, exist_ok=True)
        try:
            folder = download(options["name"], config.models_dir, mirror=options["mirror"], progress=bar.show)
        except KeyboardInterrupt:
            bar.end()  # first, so that the sentence has a line of its own
            self.stderr.write("Stopped. The same command goes on from here.")
            return INTERRUPTED
        finally:
            bar.end()
        weights = sum(path.stat().st_size for path in weight_files(folder))
        self.stdout.write(f"{options['name']} is here: {size(weights)} in {folder}")
        self.stdout.write(f"Will it run well here?  python manage.py models check {options['name']}")
        self.stdout.write(f"Serve it:               python manage.py serve --model {options['name']}")
        return OK

    # check

    def _check(self, config: Config, options: dict[str, Any]) -> int:
        named = config.models.get(options["name"])
        if named and named.base:  # an adapter takes what its base takes
            return self._check(config, options | {"name": named.base})
        if named and named.engine != "transformers":
            where = f"{named.model} {_where(named)}" if is_remote(named) else f"of kind {named.engine}"
            self.stdout.write(f"{named.name} is {where}: nothing is loaded on this computer.")
            return self._servers(config, named) if is_remote(named) else OK
        name = named.path if named else options["name"]
        question = Question(
            context=options["context"] or (named.context_window if named else None),
            streams=options["streams"],
            hub=options["hub"] or bool(options["mirror"]),
            mirror=options["mirror"],
            bits=BITS.get(options["quantize"] or (named.quantize if named else "") or config.quantize),
            native=config.native is not None,
        )
        computer = hardware.look()
        report = fit_report(name, config, computer, question)
        for line in [*computer.lines(), *report.lines]:
            self.stdout.write(line)
        if options["quantize"] and report.placement == "ram" and not question.hub:
            for line in self._quality(name, config, question):
                self.stdout.write(line)
        return OK if report.fits else DOES_NOT_FIT

    def _servers(self, config: Config, model: ModelConfig) -> int:
        from llmsite.server_check import line, look_at_servers  # late: it imports a client for HTTP

        views = look_at_servers(config, model)
        for view in views:
            self.stdout.write(line(view, language()))
        return OK if any(view.state != "down" for view in views) else FAILED

    def _quality(self, name: str, config: Config, question: Question) -> tuple[str, ...]:
        from inference.quality import measure  # late: it imports torch

        assert question.bits is not None
        self.stderr.write("Loading it to measure what fewer bits cost …")
        folder = resolve(name, config.models_dir, config.embedded_model)
        return measure(folder, question.bits, name=name, native=config.native or config.data / "native").lines(question.bits)


def _where(model: ModelConfig) -> str:
    return f"at {', '.join(one.name for one in model.backends)}" if model.backends else f"at {model.base_url}"


def _place(model: ModelConfig) -> str:
    """What a table of llmsite.toml says about where its model lies."""
    return f"{model.path}, an adapter on {model.base}" if model.base else model.path or model.engine


class _Bar:
    """The progress of a download: one line that is redrawn on a terminal, else a line for each tenth."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._tty = bool(stream.isatty())
        self._tenth = -1
        self._drawn = 0

    def show(self, progress: Progress) -> None:
        part = progress.done / progress.total if progress.total else 1.0
        if not self._tty and int(part * 10) == self._tenth:
            return
        self._tenth = int(part * 10)
        text = f"{part:4.0%}  {size(progress.done)} of {size(progress.total)}"
        if progress.seconds_left is not None and progress.done < progress.total:
            text += f"  {size(progress.bytes_per_s)}/s  {duration(progress.seconds_left)} left"
        if self._tty:
            self._stream.write("\r" + text.ljust(self._drawn), ending="")
            self._stream.flush()
            self._drawn = len(text)
        else:
            self._stream.write(text)

    def end(self) -> None:
        if self._drawn:
            self._stream.write("")
            self._drawn = 0


def duration(seconds: float) -> str:
    """For people: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"expected an address like https://hf-mirror.com, got {text!r}")
    return text
