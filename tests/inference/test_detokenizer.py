from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.detokenizer import BROKEN, HOPELESS, LONG, Detokenizer, clean_tail
from inference.vocabulary import Vocabulary
from tests.inference.tiny_models import make_tokenizer

WORDS = Vocabulary(make_tokenizer(), path="tiny", eos_ids=[2])
SPECIAL_IDS = [0, 1, 2]


def bytes_as_tokens(ids: list[int]) -> str:
    return bytes(ids).decode("utf-8", "replace")


def byte_fallback(ids: list[int]) -> str:
    """As SentencePiece decodes: one bad byte makes U+FFFD of its whole run of bytes; ids from 256 on are words with a space, dropped at the start."""
    text, run = "", b""
    for i in [*ids, 256]:
        if i < 256:
            run += bytes([i])
            continue
        try:
            text += run.decode()
        except UnicodeDecodeError:
            text += BROKEN * len(run)
        text, run = text + f" w{i}", b""
    return text.removesuffix(" w256").removeprefix(" ")


def stream(detokenizer: Detokenizer, ids: list[int]) -> str:
    pieces = [detokenizer.feed(i) for i in ids]
    assert not any(BROKEN in piece for piece in pieces)
    return "".join(pieces)


@given(st.text(max_size=60).filter(lambda text: BROKEN not in text))
def test_text_comes_out_as_it_went_in(text: str) -> None:
    ids = WORDS.encode(text)
    if not set(ids) & set(SPECIAL_IDS):
        assert stream(Detokenizer(WORDS.decode), ids) == text


@given(st.text(min_size=1, max_size=40).filter(lambda text: BROKEN not in text))
def test_a_token_per_byte_and_byte_fallback_give_whole_characters(text: str) -> None:
    ids = list(text.encode())
    assert stream(Detokenizer(bytes_as_tokens), ids) == text
    assert stream(Detokenizer(byte_fallback), ids) == text


@given(st.lists(st.integers(0, 401), max_size=120))
def test_any_tokens_give_no_broken_character_and_no_special_token(ids: list[int]) -> None:
    text = stream(Detokenizer(WORDS.decode, WORDS.hidden_ids), ids)
    plain = [i for i in ids if i not in WORDS.hidden_ids]
    assert not any(token in text for token in ("<|im_start|>", "<|im_end|>", "<|endoftext|>"))
    whole = WORDS.decode(plain)
    if BROKEN not in whole:
        assert text == whole


@given(st.lists(st.integers(0x80, 0xBF), min_size=HOPELESS * 2, max_size=HOPELESS * 3), st.text(alphabet="ab你😀", min_size=10, max_size=20))
def test_text_behind_hopeless_bytes_still_comes(junk: list[int], text: str) -> None:
    assert stream(Detokenizer(bytes_as_tokens), [*junk, *b" ", *text.encode()]).endswith(text)


def test_a_character_is_shown_with_its_last_byte() -> None:
    detokenizer = Detokenizer(bytes_as_tokens)
    assert [detokenizer.feed(b) for b in "a好b".encode()] == ["a", "", "", "好", "b"]


def test_spaces_at_the_front_of_words_stay_in_long_texts() -> None:
    ids = [300 + i for i in range(LONG * 3)]
    assert stream(Detokenizer(byte_fallback), ids) == byte_fallback(ids)


def test_text_goes_on_behind_its_context() -> None:
    context = [300, 301]
    assert stream(Detokenizer(byte_fallback, context=context), [302]) == " w302"
    assert stream(Detokenizer(byte_fallback), [302]) == "w302"


@pytest.mark.parametrize(("ids", "tail"), [([], []), (list("a好".encode()), list("a好".encode())), (list("好".encode())[1:], [])])
def test_a_clean_tail_has_whole_characters_only(ids: list[int], tail: list[int]) -> None:
    assert clean_tail(bytes_as_tokens, ids) == tail


def test_decoding_stays_cheap_in_a_long_answer() -> None:
    lengths = []

    def decode(ids: list[int]) -> str:
        lengths.append(len(ids))
        return "".join(chr(97 + i % 26) for i in ids)

    stream(Detokenizer(decode), list(range(500)))
    assert max(lengths) <= LONG + 1
