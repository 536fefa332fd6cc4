from __future__ import annotations

import re

from micromind import sources


def test_every_source_says_where_it_is_from() -> None:
    for upstream in sources.upstreams():
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", upstream.repository)
        assert re.fullmatch(r"[0-9a-f]{40}", upstream.commit)
        assert upstream.licence
        for file in upstream.files:
            assert file.path.startswith(f"{upstream.name}/")
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.records > 0


def test_what_is_left_out_is_read_by_no_stage() -> None:
    for source in sources.THIRD_PARTY:
        used = any((source.pretrain, source.sft, source.unknown, source.dpo, source.reason, source.domain))
        assert used is not bool(source.left_out), source.path


def test_the_benchmark_is_never_trained_on() -> None:
    (test_half,) = (source for source in sources.THIRD_PARTY if source.path == "gsm8k/gsm8k_test_reason.jsonl")
    assert test_half.left_out
    assert all(test_half.weight(stage) == 0 for stage in ("pretrain", "sft", "dpo", "reason", "lora:cooking"))
