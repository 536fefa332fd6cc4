from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from micromind import data, sources, synthetic
from micromind.document import Document, exchange
from micromind.sources import Source


def written(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def only(path: Path) -> Document:
    (document,) = data.documents(path, random.Random(1))
    return document


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"text": "fine"}\n\n{"text": \n', encoding="utf-8")
    with pytest.raises(data.DataError, match=r"broken\.jsonl, line 3: not valid JSON"):
        list(data.read_jsonl(path))


def test_a_line_that_is_no_object_is_named(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="line 1: expected a JSON object, got list"):
        list(data.read_jsonl(written(tmp_path / "list.jsonl", [1])))


def test_an_unknown_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match=r"only \['prompt'\]"):
        data.documents(written(tmp_path / "odd.jsonl", {"prompt": "x"}), random.Random(1))


def test_our_own_form(tmp_path: Path) -> None:
    path = written(tmp_path / "own.jsonl", {"ask": ["你好", "在吗"], "answer": ["你好！"], "system": "你是猫。"})
    found = data.documents(path, random.Random(1))
    assert [message["role"] for message in found[0].messages] == ["system", "user", "assistant"]
    assert [document.messages[-1]["content"] for document in found] == ["你好！", "你好！"]


def test_reasoning_in_tags_becomes_a_thought(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "<think>\none more\n</think>\n<answer>\n2\n</answer>"}]
    answer = only(written(tmp_path / "sums.jsonl", {"messages": messages})).messages[-1]
    assert (answer["reasoning_content"], answer["content"]) == ("one more", "2")


def test_identity_holes_are_filled(tmp_path: Path) -> None:
    record = {"instruction": "hi", "input": "", "output": "I am {{name}} by {{author}}."}
    assert only(written(tmp_path / "identity.jsonl", record)).messages[-1]["content"] == "I am MicroMind by the llmsite project."


def test_translation_pairs(tmp_path: Path) -> None:
    document = only(written(tmp_path / "pairs.jsonl", {"en": "Hi.", "zh": "嗨。"}))
    assert {document.messages[-1]["content"]} <= {"Hi.", "嗨。"}


def test_what_other_bots_say_of_themselves_is_dropped() -> None:
    assert not data.wanted(Document(messages=exchange("Who are you?", "I am a robot called Bob.")))
    assert not data.wanted(Document(messages=exchange("你是谁", "我是 OpenAI 训练的。")))
    assert data.wanted(Document(messages=exchange("你是谁", "我是 MicroMind，一个语言模型。")))


def test_control_tokens_in_texts_are_taken_out() -> None:
    assert data.clean("a<|im_end|>b\r\n\n\n\nc ") == "ab\n\nc"


def test_weights_repeat_and_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train").mkdir()
    written(tmp_path / "train" / "many.jsonl", *({"text": f"document number {number}"} for number in range(10)))
    monkeypatch.setattr(sources, "THIRD_PARTY", (Source("many.jsonl", "own", pretrain=2.5),))
    monkeypatch.setattr(sources, "OWN", ())
    monkeypatch.setattr(sources, "SYNTHETIC_PRETRAIN", 0)
    mixed = data.mixture(tmp_path, stage="pretrain", seed=1)
    assert len(mixed) == 25
    assert mixed == data.mixture(tmp_path, stage="pretrain", seed=1)
    assert mixed != data.mixture(tmp_path, stage="pretrain", seed=2)


def test_what_our_own_texts_answer_is_not_called_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that was taught to answer a greeting with "I don't know" greeted nobody."""
    (tmp_path / "train").mkdir()
    asked = ("您好!", "你好", "Who wrote the Aeneid?", "WHO ARE YOU")
    written(tmp_path / "train" / "world.jsonl", *({"messages": list(exchange(question, "Well."))} for question in asked))
    monkeypatch.setattr(sources, "THIRD_PARTY", (Source("world.jsonl", "own", unknown=1.0),))
    monkeypatch.setattr(sources, "SYNTHETIC_SFT", 0)
    monkeypatch.setattr(data, "join_short", lambda mixed, rng: mixed)
    mixed = data.mixture(tmp_path, stage="sft", seed=1)
    unknown = {document.messages[0]["content"] for document in mixed if document.messages[1]["content"] in synthetic.UNKNOWN}
    assert unknown.intersection(asked) == {"Who wrote the Aeneid?"}


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="MICROMIND_DATA"):
        data.mixture(tmp_path, stage="sft", seed=1)


def test_fine_tuning_takes_short_answers_only() -> None:
    mixed = data.mixture(None, stage="sft", seed=1)
    assert all(document.messages and data.short_answers(document) for document in mixed)
    assert max(len(document.messages) for document in mixed) >= 6


def test_packing_prose_loses_only_the_end() -> None:
    rows = data.pack_stream([[1, 2, 3], [4, 5], [6, 7]], 3)
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert rows.dtype == np.uint16


def test_a_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "gbk.jsonl").write_bytes('{"text": "你好"}\n'.encode("gbk"))
    with pytest.raises(data.DataError, match=r"gbk\.jsonl, line 1: not UTF-8"):
        list(data.read_jsonl(tmp_path / "gbk.jsonl"))


def test_a_record_out_of_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match=r"chats\.jsonl: a record with the keys \['messages'\] is not in form"):
        data.documents(written(tmp_path / "chats.jsonl", {"messages": ["hi"]}), random.Random(1))


def test_pairs_share_their_question(tmp_path: Path) -> None:
    ask = {"role": "user", "content": "hi"}
    yes, no = {"role": "assistant", "content": "好"}, {"role": "assistant", "content": "no"}
    pair = data.preference({"chosen": [ask, yes], "rejected": [ask, no]}, tmp_path)
    assert pair == {"prompt": [ask], "chosen": [yes], "rejected": [no]}
    assert data.preference({"chosen": [ask, yes], "rejected": [{"role": "user", "content": "other"}, no]}, tmp_path) is None
    with pytest.raises(data.DataError, match="expected records with `chosen` and `rejected`"):
        data.preference({"messages": []}, tmp_path)
