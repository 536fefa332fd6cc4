"""A model's tokenizer as the engine needs it: text to ids and back from any thread, its special tokens, its chat template."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from typing import Any

from inference.errors import BrokenModel
from inference.reasoning import CLOSE, OPEN


class Vocabulary:
    """Wraps a transformers tokenizer. `eos_ids`: all that end an answer (a generation_config may name more than the tokenizer)."""

    def __init__(self, tokenizer: Any, *, path: str, eos_ids: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._path = path
        self._fast = getattr(tokenizer, "backend_tokenizer", None)
        self._lock = threading.Lock()
        if self._fast is not None:  # a tokenizer.json may carry what its training used
            self._fast.no_truncation()
            self._fast.no_padding()
        added = tokenizer.added_tokens_decoder
        self.eos_ids = frozenset([*eos_ids, *([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else [])])
        special = {i for i, token in added.items() if token.special} | set(tokenizer.all_special_ids)
        tags = {i for i, token in added.items() if token.content in (OPEN, CLOSE)}
        self.hidden_ids = frozenset((special | self.eos_ids) - tags)
        """Never become text. The tags around the thinking do: they are what tells it from the answer."""
        self.guarded = tuple(sorted({t.content for i, t in added.items() if len(t.content) > 1 and (i in special or set("<>[]|") & set(t.content))}))
        """Texts that the tokenizer would turn into one id: in a message they must stay text."""
        self.template = self._find_template()
        self.template_hash = hashlib.sha256(self.template.encode()).hexdigest()

    def _find_template(self) -> str:
        try:
            template = self._tokenizer.get_chat_template()
        except ValueError:
            template = None
        if not template:
            reason = "it has no chat template (chat_template.jinja), so it is no chat model and cannot tell who speaks."
            raise BrokenModel(path=self._path, reason=reason)
        return str(template)

    def encode(self, text: str) -> list[int]:
        """Special tokens in the text become their ids; none is added."""
        if not text:
            return []
        if self._fast is not None:  # transformers' own call sets truncation each time, which two threads must not do at once
            return list(self._fast.encode(text, add_special_tokens=False).ids)
        with self._lock:
            return list(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: list[int]) -> str:
        """Special tokens are kept, and no spaces are tidied."""
        if self._fast is not None:
            return str(self._fast.decode(ids, skip_special_tokens=False))
        with self._lock:
            return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def render(self, messages: list[dict[str, str]], **variables: Any) -> str:
        """The conversation by the chat template, up to where the answer begins. Raises BrokenModel when the template refuses it."""
        try:
            text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **variables)
        except Exception as error:
            raise BrokenModel(path=self._path, reason=f"its chat template cannot render this conversation ({error}).") from error
        return str(text)
