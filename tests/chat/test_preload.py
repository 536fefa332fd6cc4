from __future__ import annotations

from chat.preload import modules


def test_all_that_is_imported_at_once_is_named_once() -> None:
    found = modules("chat/page.js")
    assert len(found) == len(set(found))
    assert {"chat/reducer.js", "chat/protocol.js", "chat/thread.js", "chat/vendor/dompurify/purify.es.mjs"} <= set(found)
    assert "chat/page.js" not in found


def test_what_is_loaded_when_it_is_needed_is_not() -> None:
    assert not [name for name in modules("chat/page.js") if "katex" in name or "highlight/languages" in name]


def test_what_is_not_there_imports_nothing() -> None:
    assert modules("chat/no-such-file.js") == ()
