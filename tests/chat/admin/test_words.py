"""Every word of the admin is there in Chinese, and the compiled catalogue is what the source says."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

from django.utils import translation

from chat.protocol import Options

CHAT = Path(__file__).resolve().parents[3] / "chat"
CATALOGUE = CHAT / "locale" / "zh_Hans" / "LC_MESSAGES"
TAGS = re.compile(
    r"""\{%\s*translate\s+"([^"]+)"|_\("([^"]+)"\)|"""
    r"""\{%\s*blocktranslate[^%]*%\}(.*?)(?:\{%\s*plural\s*%\}.*?)?\{%\s*endblocktranslate""",
    re.DOTALL,
)


def in_code() -> set[str]:
    found: set[str] = set()
    for file in (CHAT / "admin").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "gettext", "ngettext"):
                found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    return found


def in_templates() -> set[str]:
    found: set[str] = set()
    for file in (CHAT / "templates" / "admin").rglob("*.html"):
        for plain, default, block in TAGS.findall(file.read_text(encoding="utf-8")):
            found.add(plain or default or re.sub(r"\{\{\s*(\w+)\s*\}\}", r"%(\1)s", block))
    return found


def test_every_word_is_there_in_chinese() -> None:
    words = in_code() | in_templates()
    assert len(words) > 100
    with translation.override("zh-hans"):
        missing = {word for word in words if translation.gettext(word) == word and translation.ngettext(word, word, 2) == word}
    assert missing == set()


def test_no_word_is_there_that_nothing_says() -> None:
    said = set(re.findall(r'^msgid "(.+)"$', (CATALOGUE / "django.po").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word.replace('\\"', '"') for word in said} <= in_code() | in_templates()


def test_the_compiled_catalogue_is_the_source() -> None:
    source = (CATALOGUE / "django.po").read_text(encoding="utf-8")
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for original, chinese in re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', source, re.MULTILINE):
        assert compiled.gettext(original) == chinese
    for one, many, chinese in re.findall(r'^msgid "(.+)"\nmsgid_plural "(.+)"\nmsgstr\[0\] "(.+)"$', source, re.MULTILINE):
        assert compiled.ngettext(one, many, 2) == chinese


def test_the_form_explains_every_number_of_the_wire() -> None:
    from chat.admin.forms import HELP, LABELS

    numbers = {name for name in Options.model_fields if name not in ("preset", "stop", "thinking")}
    assert set(HELP) == set(LABELS) == numbers
