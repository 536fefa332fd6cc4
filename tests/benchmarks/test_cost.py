from __future__ import annotations

import pytest

from benchmarks.cost import MEASURED, Costs, measured, plan

TABLE = """
| one processor core, the server with its engine | 23% | 26% | 52% |
| of it, the engine process | – | – | 26% |
| of it, each web process | – | – | 13% |
| beside it, Redis | – | – | 3% |
| processor time per piece, all of it | 82 µs | 100 µs | 208 µs |
| memory per idle phone | 35 kB | 35 kB | 36 kB |
| tokens an answer | 400 | 25 | 500 |
| processor time of the server per token, answers' beginnings and ends included | 65 µs | 440 µs | 150 µs |
"""


def test_the_table_becomes_costs_a_piece() -> None:
    costs = measured(TABLE)  # 52 % of a core at 208 µs: 2,500 pieces a second
    assert costs.one_process_s == pytest.approx(100e-6)
    assert (costs.engine_s, costs.web_s) == (pytest.approx(104e-6), pytest.approx(104e-6))
    assert costs.redis_s == pytest.approx(12e-6)
    assert costs.answer_s == pytest.approx(0.01)  # 40 µs a token beside it
    assert costs.phone_bytes == 36_000


def test_a_plan() -> None:
    costs = Costs(100e-6, 100e-6, 100e-6, 10e-6, 0.01, 36_000)
    small = plan(costs, 40, 0.25, 50, tokens=250)
    assert (small.pieces_per_s, small.answers_per_s) == (500, 2)
    assert (small.one_process_cores, small.one_process_is_enough) == (pytest.approx(0.07), True)
    large = plan(costs, 10_000, 0.04, 30, connected=0.5)
    assert large.pieces_per_s == 12_000
    assert (large.one_process_is_enough, large.one_engine_is_enough, large.web_processes) == (False, False, 3)
    assert large.phones_bytes == 5_000 * 36_000
    assert plan(costs, 10_000, 0.04, 30, merged=4, tokens=1000).one_engine_is_enough
    assert not plan(costs, 10_000, 0.04, 30, merged=4, tokens=100).one_engine_is_enough


def test_what_stands_in_the_documents_can_be_read() -> None:
    costs = measured(MEASURED.read_text("utf-8"))
    assert 1e-6 < costs.web_s < 1e-3
    with pytest.raises(ValueError, match="expected a row"):
        measured("")
