from __future__ import annotations

import json
import re
from pathlib import Path

from django.utils.translation import override

from chat.calls import NotRecorded, Stopping
from chat.limits import Exceeded
from chat.sentences import CHINESE, ENGLISH
from chat.v1.refusals import Refusal, refusal_of
from inference.errors import BackendTimeout, ContextOverflow, DecodingFailed, EngineDead, NoModel, NotReady, UnsupportedParameter


def told(error: Exception) -> tuple[int, str, str | None, bool]:
    refusal = refusal_of(error)
    return refusal.status, refusal.code, refusal.param, refusal.retry


def test_an_engines_errors() -> None:
    assert told(NoModel(name="x", known="y")) == (404, "model_not_found", "model", False)
    assert told(ContextOverflow(used=9, limit=5)) == (400, "context_length_exceeded", None, False)
    assert told(UnsupportedParameter(name="thinking")) == (400, "unsupported_parameter", "chat_template_kwargs.enable_thinking", False)
    assert told(NotReady()) == (503, "model_loading", None, True)
    assert told(DecodingFailed()) == (500, "decoding_failed", None, True)
    assert told(EngineDead(reason="x")) == (500, "engine_dead", None, False)
    assert told(BackendTimeout(url="u", seconds=1)) == (504, "backend_timeout", None, True)


def test_what_can_be_tried_again_says_when() -> None:
    response = refusal_of(Exceeded("too_many_requests", 7, 300)).response()
    assert (response.status_code, response["Retry-After"], response["x-should-retry"]) == (429, "7", "true")
    assert json.loads(response.content)["error"]["type"] == "rate_limit_error"
    assert [told(error)[0] for error in (Stopping(), NotRecorded())] == [503, 503]
    assert Refusal(400, "x", "y").response()["x-should-retry"] == "false"


def test_it_is_said_in_the_readers_language() -> None:
    with override("zh-hans"):
        assert "没有名为 x 的模型" in refusal_of(NoModel(name="x", known="y")).message


def test_every_sentence_is_there_in_both_languages() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parents[3] / "chat" / "v1").glob("*.py"))
    said = set(re.findall(r'refused\(\s*\d+, "\w+", "(\w+)"', code)) | set(re.findall(r'sentence\("(\w+)"', code)) | {"no_api_key", "wrong_api_key"}
    assert len(said) > 15
    assert said <= set(ENGLISH)
    assert said <= set(CHINESE)
