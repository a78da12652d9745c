"""Tables: the benchmark of arXiv 2603.04716, interpolation against numpy, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.latency import DecodeCurve, Tabulated, load_profile, validity_notes

LATENCY = Path(__file__).parents[2] / "models" / "latency"
# arXiv 2603.04716, figure 2: (6144 in, 512 out) is exact in the authors' demo.py, (12288, 512) is read off.
BATCH_6K, TPOT_6K = (10, 20, 30, 40, 50, 60), (12.8, 16.4, 18.8, 21.6, 23.9, 26.2)
BATCH_12K, TPOT_12K = (10, 15, 20, 25, 30, 35, 40), (13.9, 15.5, 17.4, 19.5, 21.2, 22.4, 24.3)

KINGSOFT = Tabulated.from_rates(
    28309,
    {b: t / 1e3 for b, t in zip(BATCH_6K, TPOT_6K, strict=True)},
    source="arXiv 2603.04716",
    overhead_s=0.1,
)


def test_table_passes_through_its_points() -> None:
    batch = np.array(BATCH_6K, dtype=float)
    assert KINGSOFT.decode_step_s(batch, batch * 6400) * 1e3 == pytest.approx(TPOT_6K, rel=1e-12)
    # Throughput = batch x 1000 / TPOT: 781.25 to 2290.0763 tok/s.
    throughput = batch / KINGSOFT.decode_step_s(batch, 0.0)
    assert throughput[[0, -1]] == pytest.approx([781.25, 2290.0763], rel=1e-6)


def test_batch_at_20_ms() -> None:
    # Linear between 30 (18.8 ms) and 40 (21.6 ms): 34.2857, so 1714.2857 tok/s.
    assert float(KINGSOFT.decode_step_s(30 + 10 * (20 - 18.8) / (21.6 - 18.8), 0)) == pytest.approx(0.020)
    assert float(KINGSOFT.decode_step_s(34.2857142857, 0)) == pytest.approx(0.020)


def test_authors_polynomial_gives_their_throughput() -> None:
    # demo.py: second-degree polynomial of throughput over TPOT, at 20 ms: 1690.9547 tok/s (paper: 1700).
    throughput = [1e3 * b / t for b, t in zip(BATCH_6K, TPOT_6K, strict=True)]
    at_20 = np.polyval(np.polyfit(TPOT_6K, throughput, 2), 20)
    assert at_20 == pytest.approx(1690.9547, rel=1e-4)
    assert at_20 == pytest.approx(1700, rel=0.01)


def test_prefill_of_a_rate_is_proportional_and_the_overhead_stays_apart() -> None:
    n = np.array([0.0, 1.0, 6144.0, 5e6])
    assert KINGSOFT.prefill_step_s(n, n**2) == pytest.approx(n / 28309, abs=1e-15)
    assert KINGSOFT.ttft_overhead_s == 0.1


def test_profile_holds_both_curves() -> None:
    model = load_profile(LATENCY / "deepseek-v3.1-h200-sglang.yaml").model(8)
    b6, b12 = np.array(BATCH_6K, dtype=float), np.array(BATCH_12K, dtype=float)
    assert model.decode_step_s(b6, b6 * 6400) * 1e3 == pytest.approx(TPOT_6K)
    assert model.decode_step_s(b12, b12 * 12544) * 1e3 == pytest.approx(TPOT_12K, rel=1e-9)
    between = float(model.decode_step_s(20.0, 20.0 * 9472)) * 1e3
    assert between == pytest.approx((16.4 + 17.4) / 2)
    assert float(model.decode_step_s(20.0, 20.0 * 100)) * 1e3 == pytest.approx(16.4)
    assert model.decode_range == (10.0, 60.0)
    assert len(validity_notes(model, largest_batch=80)) == 1


points = st.lists(st.tuples(st.floats(0.5, 50), st.floats(0, 5)), min_size=2, max_size=8)


@given(points, st.lists(st.floats(0, 600), min_size=1, max_size=20))
def test_interpolation_is_monotone_positive_and_numpy_inside(
    steps: list[tuple[float, float]], at: list[float]
) -> None:
    x = np.cumsum([s[0] for s in steps])
    y = 1 + np.cumsum([s[1] for s in steps])
    table = Tabulated((1, 2), (1, 2), (DecodeCurve(tuple(x), tuple(y)),), "test")
    asked = np.sort(np.array(at))
    values = table.decode_step_s(asked, asked)
    assert (values >= 0).all()
    assert (np.diff(values) >= -1e-9 * values[:-1] - 1e-12).all()
    inside = (asked >= x[0]) & (asked <= x[-1])
    assert values[inside] == pytest.approx(np.interp(asked[inside], x, y), rel=1e-9)
    assert [float(table.decode_step_s(b, b)) for b in asked] == pytest.approx(values)


def test_mixed_step_counts_the_fixed_part_once() -> None:
    table = Tabulated((100, 200), (0.012, 0.022), (DecodeCurve((10, 20), (0.012, 0.016)),), "test")
    # Prefill 2 ms + 0.1 ms/token, decode 8 ms + 0.4 ms/sequence: the smaller fixed part, 2 ms, once less.
    assert float(table.mixed_step_s(10, 0, 100, 0)) == pytest.approx(0.012 + 0.012 - 0.002)
    assert float(table.mixed_step_s(10, 0, 0, 0)) == pytest.approx(0.012)


@pytest.mark.parametrize(
    ("batch", "step", "message"),
    [
        ((10, 20), (0.02, 0.01), "must not descend"),
        ((20, 10), (0.01, 0.02), "ascending order"),
        ((10, 10), (0.01, 0.02), "ascending order"),
        ((10,), (0.01, 0.02), "one value for each point"),
        ((10, 20), (0.01, float("nan")), "finite"),
        ((0, 20), (0.01, 0.02), "greater than 0"),
        ((), (), "one value for each point"),
    ],
)
def test_tables_that_are_refused(batch: tuple[float, ...], step: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tabulated((1, 2), (0.1, 0.2), (DecodeCurve(batch, step),), "test")


def test_curves_need_ascending_contexts() -> None:
    curve = DecodeCurve((10, 20), (0.01, 0.02), 1000)
    for second in (DecodeCurve((10, 20), (0.01, 0.02)), curve):
        with pytest.raises(InputError, match="ascending mean_context_tokens"):
            Tabulated((1, 2), (0.1, 0.2), (curve, second), "test")
    with pytest.raises(InputError, match="empty"):
        Tabulated((1, 2), (0.1, 0.2), (), "test")


def test_a_table_without_contexts_answers_in_the_shape_of_its_arguments() -> None:
    model = Tabulated.from_rates(1e4, {1: 0.01, 64: 0.02}, source="example")
    assert np.shape(model.decode_step_s(np.ones((5, 1)), np.ones((1, 3)))) == (5, 3)
    assert np.ndim(model.decode_step_s(4, 400)) == 0
