"""Whatever comes in, an error is {code, message} with a status of 4xx, in the language of the request."""

from __future__ import annotations

import json
from string import Formatter
from typing import Any

import pytest

from chat.api import conversations, invalid
from chat.api.body import MAX_BODY_BYTES
from chat.protocol import MAX_MESSAGE_CHARS
from chat.sentences import CHINESE, ENGLISH
from tests.chat.api import HOME, Person, ask, chat, code_and_message, pair


@pytest.fixture
def person(transactional_db: None) -> Person:
    return pair()


@pytest.fixture
def path(person: Person) -> str:
    return f"conversations/{chat(person).conversation}"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "bad_json"),
        (b"\xff\xfe\xfd", "bad_json"),
        (b'{"title": NaN}', "bad_json"),
        (b'{"title": Infinity}', "bad_json"),
        (b'{"title": ' + b"9" * 5000 + b"}", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"title": ' + b'{"a":' * 900 + b"1" + b"}" * 901, "invalid"),
        (b'{"title": "a\\u0000b"}', "bad_text"),
        (b'{"title": "a\\ud800b"}', "bad_text"),
        (b'{"title\\udfff": "a"}', "bad_text"),
        (b'{"options": {"stop": ["\\u0000"]}}', "bad_text"),
        (b"null", "invalid"),
        (b"5", "invalid"),
    ],
)
async def test_a_body_that_is_none(person: Person, path: str, content: bytes, code: str) -> None:
    response = await ask("PATCH", path, token=person.token, content=content, headers=JSON)
    status, said, message = code_and_message(response)
    assert (status, said) == (422 if code == "invalid" else 400, code)
    assert message
    assert len(message) < 200


async def test_no_body_at_all(person: Person, path: str) -> None:
    assert code_and_message(await ask("PATCH", path, token=person.token)) == (422, "invalid", "The body is missing: a JSON object.")
    chinese = await ask("PATCH", path, token=person.token, language="zh-CN")
    assert code_and_message(chinese) == (422, "invalid", "缺少请求正文（JSON）。")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""]
)
@pytest.mark.parametrize("method", ["PATCH", "IMPORT"])
async def test_a_body_of_another_type(person: Person, path: str, method: str, content_type: str) -> None:
    """What a form of another page can send without being asked is never taken for JSON."""
    content = json.dumps({"title": "x"}).encode()
    verb, where = ("POST", "conversations/import") if method == "IMPORT" else (method, path)
    response = await ask(verb, where, token=person.token, content=content, headers={"content-type": content_type})
    status, code, message = code_and_message(response)
    assert (status, code) == (415, "not_json")
    assert message == f"Expected a body of the type application/json, got {content_type.partition(';')[0] or '-'}."


async def test_the_longest_text_fits(transactional_db: None) -> None:
    """Of characters that JSON may write as twelve bytes."""
    content = json.dumps({"name": "long", "system_prompt": "🐱" * MAX_MESSAGE_CHARS}).encode()
    assert len(content) > 12 * MAX_MESSAGE_CHARS
    assert (await ask("POST", "personas", host=HOME, content=content, headers=JSON)).status_code == 201


async def test_a_body_that_is_too_large(person: Person, path: str) -> None:
    async def chunks(size: int) -> Any:
        yield b'{"title": "'
        for _ in range(size // 65536 + 1):
            yield b"x" * 65536

    whole = await ask("PATCH", path, token=person.token, content=b"x" * (MAX_BODY_BYTES + 1), headers=JSON)
    chunked = await ask("PATCH", path, token=person.token, content=chunks(MAX_BODY_BYTES), headers=JSON)
    for response in (whole, chunked):
        assert code_and_message(response) == (413, "too_large", "This is too large: at most 1.5 MB.")


@pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "%00=1", "cursor=%00"])
async def test_a_nul_in_the_query(person: Person, query: str) -> None:
    assert code_and_message(await ask("GET", f"conversations?{query}", token=person.token))[:2] == (400, "bad_text")


async def test_a_query_of_too_many_fields(person: Person) -> None:
    response = await ask("GET", "conversations?" + "&".join(["q=a"] * 1001), token=person.token)
    assert code_and_message(response)[:2] == (400, "bad_request")


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json; charset=utf-8"])
async def test_json_however_it_is_called(person: Person, path: str, content_type: str) -> None:
    response = await ask("PATCH", path, token=person.token, content='{"title": "天"}'.encode(), headers={"content-type": content_type})
    assert response.json()["title"] == "天"


@pytest.mark.parametrize("query", ["%ff", "%ed%a0%80", '"', "'; DROP TABLE", "*", "AND OR NOT", "a" * 200, "(" * 200, "\u202e", "👩‍🚀"])
async def test_any_text_may_be_searched_for(person: Person, query: str) -> None:
    for where in ("search", "conversations"):
        response = await ask("GET", f"{where}?q={query}", token=person.token)
        assert response.status_code == 200, response.text


async def test_an_address_that_leads_nowhere(transactional_db: None) -> None:
    for path in ("nothing", "conversations/", "me/"):
        assert code_and_message(await ask("GET", path, host=HOME)) == (404, "not_found", "There is nothing at this address.")
    assert code_and_message(await ask("GET", "nothing", language="zh-CN"))[2] == "这个地址没有内容。"


async def test_a_method_that_an_address_does_not_take(transactional_db: None) -> None:
    response = await ask("PUT", "conversations", host=HOME)
    assert code_and_message(response) == (405, "method_not_allowed", "This address does not take PUT.")
    assert response.headers["allow"] == "GET"


async def test_what_nobody_foresaw_tells_nothing(person: Person, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(conversations.selectors, "conversation_list", fail)
    response = await ask("GET", "conversations", token=person.token)
    assert code_and_message(response) == (500, "internal", ENGLISH["internal"])
    assert "the secret is 42" in capfd.readouterr().err, "but the log has it"


@pytest.mark.parametrize(("language", "message"), [("zh-CN,zh;q=0.9", CHINESE["no_conversation"]), ("de", ENGLISH["no_conversation"])])
async def test_errors_speak_the_requests_language(person: Person, language: str, message: str) -> None:
    response = await ask("GET", "conversations/00000000-0000-4000-8000-000000000000", token=person.token, language=language)
    assert code_and_message(response)[2] == message


async def test_a_wrong_value_in_chinese(person: Person, path: str) -> None:
    for body, said in [
        ({"title": 5}, "title：应为文本，收到的是 “5”。"),
        ({"options": {"temperature": 3}}, "options.temperature：应为不大于 2 的数，收到的是 “3”。"),
        ({"options": {"preset": "wild"}}, "options.preset：应为'balanced', 'precise', 'creative' or 'tutorial' 之一，收到的是 “wild”。"),
        ({"nope": 1}, "这里没有名为 nope 的字段。"),
    ]:
        response = await ask("PATCH", path, token=person.token, json=body, language="zh-CN")
        assert code_and_message(response) == (422, "invalid", said)


def test_every_sentence_is_there_in_both_languages() -> None:
    assert set(ENGLISH) <= set(CHINESE)


@pytest.mark.parametrize(("english", "chinese"), [*invalid.EXPECTED.values(), *invalid.FILE.values()])
def test_both_languages_name_the_same_figures(english: str, chinese: str) -> None:
    figures = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, chinese)]
    assert figures[0] == figures[1]
