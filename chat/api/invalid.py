"""What pydantic found wrong with a request, as one sentence that names the field, what was expected and what came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SHOWN_CHARS = 60

EXPECTED: Mapping[str, tuple[str, str]] = {
    "string_type": ("text", "文本"),
    "string_too_short": ("at least {min_length} characters", "至少 {min_length} 个字"),
    "string_too_long": ("at most {max_length} characters", "不超过 {max_length} 个字"),
    "bool_type": ("true or false", "true 或 false"),
    "bool_parsing": ("true or false", "true 或 false"),
    "int_type": ("a whole number", "整数"),
    "int_parsing": ("a whole number", "整数"),
    "int_parsing_size": ("a smaller number", "更小的数"),
    "int_from_float": ("a whole number", "整数"),
    "float_type": ("a number", "数字"),
    "float_parsing": ("a number", "数字"),
    "finite_number": ("a finite number", "有限的数"),
    "greater_than": ("a number above {gt}", "大于 {gt} 的数"),
    "greater_than_equal": ("a number of {ge} or more", "不小于 {ge} 的数"),
    "less_than": ("a number below {lt}", "小于 {lt} 的数"),
    "less_than_equal": ("a number of {le} or less", "不大于 {le} 的数"),
    "uuid_parsing": ("an id (a UUID)", "一个 ID（UUID）"),
    "uuid_type": ("an id (a UUID)", "一个 ID（UUID）"),
    "literal_error": ("one of {expected}", "{expected} 之一"),
    "enum": ("one of {expected}", "{expected} 之一"),
    "list_type": ("a list", "列表"),
    "too_long": ("at most {max_length} entries", "不超过 {max_length} 项"),
    "too_short": ("at least {min_length} entries", "至少 {min_length} 项"),
    "dict_type": ("an object", "对象"),
    "model_type": ("an object", "对象"),
    "model_attributes_type": ("an object", "对象"),
    "datetime_type": ("a date with time (ISO 8601)", "日期和时间（ISO 8601）"),
    "datetime_parsing": ("a date with time (ISO 8601)", "日期和时间（ISO 8601）"),
    "datetime_from_date_parsing": ("a date with time (ISO 8601)", "日期和时间（ISO 8601）"),
    "timezone_aware": ("a time with its zone", "带时区的时间"),
}
"""Pydantic's kinds of error: (English, Chinese)."""

FILE: Mapping[str, tuple[str, str]] = {
    "question_too_long": ("{field}: a question has at most {most} characters.", "{field}：一条提问最多 {most} 个字。"),
    "nul": ("{field}: a NUL cannot be stored.", "{field}：含有无法保存的 NUL 字符。"),
    "same_id": ("Two messages have the id {id}.", "有两条消息的 id 同为 {id}。"),
    "no_parent": ("Message {id} follows {parent}, which does not come before it.", "消息 {id} 接在 {parent} 之后，但后者不在它前面。"),
}
"""What exporting.py finds wrong with a file beyond its fields."""


def sentence_of(error: Mapping[str, Any], language: str) -> str:
    """The sentence for one entry of pydantic's `errors()`, whose `loc` begins with where the value was: query, path or body."""
    chinese = language.lower().startswith("zh")
    field = _field(error["loc"])
    if error["type"] == "missing":
        return _missing(field, chinese)
    if error["type"] == "extra_forbidden":
        return f"这里没有名为 {field} 的字段。" if chinese else f"The field {field} is not known here."
    if error["type"] in FILE:
        return FILE[error["type"]][chinese].format(field=field, **error.get("ctx", {}))
    return problem_of(error, field or ("请求正文" if chinese else "the body"), language)


def problem_of(error: Mapping[str, Any], where: str, language: str) -> str:
    """What was expected at `where`, and what came."""
    chinese = language.lower().startswith("zh")
    expected = _expected(error, chinese)
    got = _short(error.get("input"))
    return f"{where}：应为{expected}，收到的是 {got}。" if chinese else f"{where}: expected {expected}, got {got}."


def _missing(field: str, chinese: bool) -> str:
    if not field:
        return "缺少请求正文（JSON）。" if chinese else "The body is missing: a JSON object."
    return f"缺少字段 {field}。" if chinese else f"The field {field} is missing."


def _field(location: tuple[Any, ...]) -> str:
    """Without the source (query, path, body) and, of a body, without the name of the view's parameter."""
    return ".".join(str(part) for part in location[2 if location[0] == "body" else 1 :])


def _expected(error: Mapping[str, Any], chinese: bool) -> str:
    known = EXPECTED.get(error["type"])
    if known is None:
        return str(error["msg"]).rstrip(".")
    bounds = {name: f"{value:g}" if isinstance(value, float) else value for name, value in error.get("ctx", {}).items()}
    return known[chinese].format(**bounds)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "replace").decode()
    return f"“{text[:SHOWN_CHARS]}…”" if len(text) > SHOWN_CHARS else f"“{text}”"
