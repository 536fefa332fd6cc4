"""What can go wrong in an engine that a person should read about.

Each error has a code (stable, for clients and translations), a plain English sentence, and says whether trying the very
same thing again can help. Anything that is not an EngineError is a bug: it is logged with its traceback and reaches the person as
one generic sentence.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EngineError(Exception):
    """Base of the errors a user may see. `str(error)` is the English sentence; `params` fill a translation of it."""

    code: ClassVar[str] = "engine_error"
    sentence: ClassVar[str] = "The model could not answer."
    retryable: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        self.params = params
        super().__init__(self.sentence.format(**params))


class ModelNotFound(EngineError):
    code = "model_not_found"
    sentence = "There is no model at {path}. Expected a folder with config.json, or a name from `python manage.py models list`."


class NoModel(EngineError):
    """A name that none of the server's models has. `known`: the names they have."""

    code = "no_model"
    sentence = "There is no model named {name} on this computer. There is: {known}."


class BrokenModel(EngineError):
    code = "model_broken"
    sentence = "The model in {path} cannot be loaded: {reason}"


class OutOfMemory(EngineError):
    code = "out_of_memory"
    sentence = (
        "There is too little memory for {model}: it needs about {needed}, and {available} is free. `python manage.py models check {model}` says more."
    )


class CannotQuantize(EngineError):
    """`reason`: a clause without its full stop."""

    code = "cannot_quantize"
    sentence = (
        "{model} cannot be loaded in {bits} bits: {reason}. "
        "Expected a model of the Llama or Qwen kind, on the processor, and a C compiler (gcc or clang)."
    )


class CannotAdapt(EngineError):
    """`reason`: a clause without its full stop."""

    code = "cannot_adapt"
    sentence = "{model} cannot be served on {base}: {reason}. Expected a LoRA adapter (adapter_config.json, adapter_model.safetensors) made for it."


class NotReady(EngineError):
    code = "loading"
    sentence = "The model is still loading."
    retryable = True


class EmptyPrompt(EngineError):
    code = "empty"
    sentence = "The message is empty."


class ContextOverflow(EngineError):
    code = "context_overflow"
    sentence = "This message is too long for the model: it has {used} tokens, and {limit} fit."


class TextTooLong(EngineError):
    """One of several texts that are to become vectors; `number` counts from 0."""

    code = "text_too_long"
    sentence = "Text {number} is too long for the model: it has {used} tokens, and {limit} fit."


class ConversationOverflow(EngineError):
    """For callers who want all of their messages read, or none."""

    code = "conversation_overflow"
    sentence = "These messages are too long for the model together: {limit} tokens fit, the answer's included."


class UnsupportedParameter(EngineError):
    code = "unsupported_parameter"
    sentence = "This model does not understand the parameter {name}."


class DecodingFailed(EngineError):
    """The model raised in mid-answer; that run is lost, the engine goes on."""

    code = "decoding_failed"
    sentence = "The model failed in the middle of this answer."
    retryable = True


class EngineDead(EngineError):
    """The engine cannot go on (the device is gone, say); the server must be started again."""

    code = "engine_dead"
    sentence = "The model has stopped working and must be started again on the computer: {reason}"


class BackendUnreachable(EngineError):
    code = "backend_unreachable"
    sentence = "The model server at {url} cannot be reached."
    retryable = True


class BackendTimeout(EngineError):
    code = "backend_timeout"
    sentence = "The model server at {url} did not answer within {seconds} seconds."
    retryable = True


class BackendRefusedKey(EngineError):
    code = "backend_key"
    sentence = "The model server at {url} refused the key in {key_env}."


class BackendKeyMissing(EngineError):
    code = "backend_key_missing"
    sentence = "The key for {url} is missing: set the environment variable {key_env} and start again."


class BackendKeyNeeded(EngineError):
    code = "backend_key_needed"
    sentence = "The model server at {url} asks for a key: name the environment variable that holds it as api_key_env in llmsite.toml."


class BackendNoCredit(EngineError):
    code = "backend_no_credit"
    sentence = "The account at {url} has no credit left."


class BackendModelUnknown(EngineError):
    code = "backend_model_unknown"
    sentence = "The model server at {url} has no model named {model}."


class BackendBusy(EngineError):
    code = "backend_busy"
    sentence = "The model server at {url} has too many requests just now."
    retryable = True


class BackendFailed(EngineError):
    code = "backend_failed"
    sentence = "The model server at {url} failed (status {status})."
    retryable = True


class BackendRefused(EngineError):
    code = "backend_refused"
    sentence = "The model server at {url} refused the request: {reason}"


class BackendDropped(EngineError):
    code = "backend_dropped"
    sentence = "The connection to the model server at {url} broke in the middle of the answer."
    retryable = True


class BackendGarbled(EngineError):
    code = "backend_garbled"
    sentence = "The model server at {url} sent something that is no chat answer. Is its address (base_url) right?"


class BackendFiltered(EngineError):
    code = "backend_filtered"
    sentence = "The content filter of the model server at {url} stopped this answer."
