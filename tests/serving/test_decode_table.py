"""Batch, time per output token and throughput."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError, InputError
from pdplan.serving.decode import DecodeTable


class Opt66bTp2:
    """DistServe's fit of OPT-66B at TP 2 on A100 (two regimes, threshold 95), seconds; contexts of 512."""

    decode_range = (1.0, 512.0)

    def decode_step_s(self, batch: np.ndarray, context_tokens: np.ndarray) -> np.ndarray:
        small = 48.288015489286245 + 0.0009424343535737985 * context_tokens + 0.12755020094383188 * batch
        large = 28.727693993711597 + 0.00047448475459061987 * context_tokens + 0.29617792360743994 * batch
        return np.where(batch < 95, small, large) / 1e3


def test_rows_that_are_not_monotone_have_two_answers() -> None:
    table = DecodeTable.from_latency(Opt66bTp2(), 512.0, 200, step_factor=1.0)  # type: ignore[arg-type]
    # paper values: 105.635 ms at batch 94, 97.734 at 128
    assert table.tpot(94) == pytest.approx(0.105635, rel=1e-4)
    assert table.tpot(128) == pytest.approx(0.097734, rel=1e-4)
    assert table.largest_batch(0.100) > 128
    assert 80 < table.first_crossing(0.100) < 94
    assert table.tpot(table.largest_batch(0.100)) == pytest.approx(0.100)
    assert table.tpot(table.first_crossing(0.100)) == pytest.approx(0.100)


def test_step_factor_and_tokens_per_step() -> None:
    plain = DecodeTable.from_latency(Opt66bTp2(), 512.0, 10, step_factor=1.0)  # type: ignore[arg-type]
    slowed = DecodeTable.from_latency(Opt66bTp2(), 512.0, 10)  # type: ignore[arg-type]
    doubled = DecodeTable.from_latency(Opt66bTp2(), 512.0, 10, tokens_per_step=2.0)  # type: ignore[arg-type]
    assert np.allclose(slowed.tpot_s, plain.tpot_s / 0.95)
    assert np.allclose(doubled.tpot_s, slowed.tpot_s / 2)
    assert np.allclose(plain.in_system(0.92).tpot_s, plain.tpot_s / 0.92)


@given(
    st.lists(st.floats(1e-3, 0.2), min_size=2, max_size=12),
    st.floats(1e-3, 0.3),
)
def test_largest_batch_is_the_largest(times: list[float], target: float) -> None:
    table = DecodeTable(np.arange(1.0, len(times) + 1), np.array(times))
    fine = np.linspace(1.0, len(times), 2001)
    meets = table.tpot(fine) <= target * (1 + 1e-12)
    if not (np.array(times) <= target).any():
        with pytest.raises(InfeasibleError, match="what the table gives at its best"):
            table.largest_batch(target)
        return
    best = table.largest_batch(target)
    assert table.tpot(best) <= target * (1 + 1e-9)
    assert not meets[fine > best + 1e-6].any()
    if times[0] <= target:
        first = table.first_crossing(target)
        assert first <= best
        assert meets[fine < first - 1e-6].all()


def test_outside_the_table_nothing_is_guessed() -> None:
    table = DecodeTable.from_mapping({10: 0.0128, 20: 0.0164, 30: 0.0188})
    with pytest.raises(InputError, match=r"batch 40 is outside the table \(10 to 30\)"):
        table.tpot(40)
    with pytest.raises(InputError, match="outside the measured times"):
        table.quadratic_throughput(0.03)
    with pytest.raises(InfeasibleError):
        table.largest_batch(0.012)
    assert table.largest_batch(0.5) == 30.0


@pytest.mark.parametrize(
    ("batch", "tpot"),
    [([1.0], [0.1]), ([2.0, 1.0], [0.1, 0.2]), ([1.0, 2.0], [0.1, -0.2]), ([1.0, 2.0], [0.1, np.nan])],
)
def test_bad_tables(batch: list[float], tpot: list[float]) -> None:
    with pytest.raises(InputError):
        DecodeTable(np.array(batch), np.array(tpot))
