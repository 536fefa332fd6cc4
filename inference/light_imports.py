"""Imports transformers, and builds a model with it, without what a server that only decodes never uses, and what takes as long to import as torch.

Transformers imports torch's compiler (torch._dynamo, and with it sympy) for a few decorators and for one class that compiled masks need, and torch's
distributed tensors to ask whether a weight is one. A model that is built without memory, before its weights come, makes torch import the compiler for
each function that it must not compile, and sympy for each check of an argument. While `lightly` works, something empty stands in for the compiler, no
distributed tensors are said to be there, and checks that hold are passed over. Afterwards everything is as it was, and whatever needs the compiler
imports it then. Where that does not fit, because another version of torch or transformers or some model asks for more, all is done as usual.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

COMPILER = "torch._dynamo"
MASKS = "torch._dynamo._trace_wrapped_higher_order_op"
CLASS = "TransformGetItemToIndex"
WANTED = ("transformers.masking_utils", "transformers.modeling_utils", "transformers.modeling_layers", "transformers.generation.utils")
"""What all models are built on."""


def import_transformers() -> None:
    """Import what every model needs."""

    def import_all() -> None:
        for name in WANTED:
            import_module(name)

    lightly(import_all)


def lightly(do: Callable[[], T]) -> T:
    """The result of `do`, which may be called a second time, as usual, where it fails the light way."""
    if COMPILER in sys.modules:  # there is nothing left to save
        return do()
    try:
        with _light():
            return do()
    except MemoryError:
        raise
    except Exception:
        log.info("once more, with all that torch and transformers import", exc_info=True)
        return do()


@contextmanager
def _light() -> Iterator[None]:
    import torch
    import torch.compiler
    import transformers.utils
    import transformers.utils.import_utils

    check: Any = torch._check_with

    def unless_it_holds(error: Any, holds: Any, message: Any) -> None:
        if holds is not True:
            check(error, holds, message)

    compiler, masks = _Compiler(COMPILER), ModuleType(MASKS)
    setattr(masks, CLASS, _the_class)
    with ExitStack() as stack:
        # A module that is in sys.modules is taken from there, and the package around it is not imported.
        for module in (compiler, masks):
            sys.modules[module.__name__] = module
            stack.callback(sys.modules.pop, module.__name__)
        vars(torch)["_dynamo"] = compiler
        stack.callback(vars(torch).pop, "_dynamo")
        stack.enter_context(_instead(torch.compiler, "disable", _as_it_is))
        stack.enter_context(_instead(torch, "_check_with", unless_it_holds))
        for place in (transformers.utils, transformers.utils.import_utils):
            stack.enter_context(_instead(place, "is_torch_distributed_available", lambda: False))
        yield


@contextmanager
def _instead(place: Any, name: str, value: Any) -> Iterator[None]:
    real = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, real)


class _Compiler(ModuleType):
    """Has every decorator, and each leaves its function as it is."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _as_it_is


def _as_it_is(function: Any = None, *args: Any, **kwargs: Any) -> Any:
    return function if callable(function) else _as_it_is


def _the_class(*args: Any, **kwargs: Any) -> Any:
    """Only for compiled masks: it is imported when somebody wants one."""
    return getattr(import_module(MASKS), CLASS)(*args, **kwargs)
