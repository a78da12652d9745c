"""From bucket counts and a sum to a law: exact where it must be, bracketed where it cannot be known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.interop.prometheus.bucket_law import bucket_law
from pdplan.interop.prometheus.buckets import Histogram, growth_by_labels, histogram
from pdplan.interop.prometheus.client import Series
from pdplan.interop.prometheus.workload_file import quantile_table
from pdplan.workload import length_law

EDGES = np.array([1.0, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000])


def of(entries: np.ndarray, edges: np.ndarray = EDGES) -> Histogram:
    ordered = np.sort(entries)
    upto = np.searchsorted(ordered, edges, side="right")
    counts = np.diff(np.concatenate([[0], upto, [entries.size]])).astype(float)
    return Histogram("tokens", edges, counts, float(entries.sum()))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=200))
def test_counts_and_mean_are_kept_whatever_the_entries(entries: list[int]) -> None:
    data = np.array(entries, dtype=float)
    law = bucket_law(of(data), least=1.0, whole_numbers=True, most=9999.0)
    table = length_law({"quantiles": quantile_table(law)})
    assert table.mean == pytest.approx(data.mean(), rel=2e-3 if law.open_share else 1e-6)
    for edge in EDGES:
        share = float(np.mean(data <= edge))
        # at the very rank where the bucket ends the law stands at the edge or below, just after it above
        if 1e-6 < share < 1 - 1e-6:
            assert table.quantile(share - 1e-7) <= edge * (1 + 1e-6)
            assert table.quantile(share + 1e-7) >= edge * (1 - 1e-6)
    for p in (0.1, 0.5, 0.9, 0.99, 1.0):
        low, high = law.bracket(p)
        truth = float(np.quantile(data, p, method="inverted_cdf"))
        assert low <= truth <= (math.inf if high is None else high)
        assert low <= law.quantile(p) * (1 + 1e-9)
        assert high is None or law.quantile(p) <= high * (1 + 1e-9)
    least, most = law.scv_bracket()
    truth = float(data.var() / data.mean() ** 2)
    if not law.open_share:
        assert least - 1e-9 <= truth <= most + 1e-9
        assert least - 1e-6 <= law.scv <= most + 1e-6


def test_a_fixed_length_inside_a_wide_bucket_is_found_by_its_mean() -> None:
    law = bucket_law(of(np.full(1000, 2048.0)), least=1.0, whole_numbers=True)
    assert law.mean == 2048.0
    assert law.bracket(0.5) == (2001.0, 5000.0)
    assert law.quantile(0.5) < 2100
    assert law.scv < 0.001


def test_entries_of_a_flat_law_come_back_flat() -> None:
    """Uniform on 501..1000 has mean 750.5, exactly the middle: no tilt, q(p) = 501 + 499 p."""
    law = bucket_law(of(np.arange(501.0, 1001.0)), least=1.0, whole_numbers=True)
    for p in (0.05, 0.5, 0.95):
        assert law.quantile(p) == pytest.approx(501 + 499 * p, rel=1e-5)


def test_the_tilt_is_the_exponential_of_the_mean() -> None:
    """Entries from 0 to 1 with mean 0.3: density ~ e^-ay with 1/a - 1/(e^a - 1) = 0.3, so a = 2.6721.

    By hand: e^-2.6721 = 0.06911, 1/(e^a - 1) = 0.06911/0.93089 = 0.07424, 1/a = 0.37424, less 0.07424: 0.3.
    The median is -ln((1 + e^-a)/2)/a = -ln(0.534555)/2.6721 = 0.62632/2.6721 = 0.2344; the law is written
    down at 19 knots and linear in between, which takes 1% off.
    """
    law = bucket_law(
        Histogram("t", np.array([1.0]), np.array([1000.0, 0.0]), 300.0), least=0.0, whole_numbers=False
    )
    assert law.quantile(0.5) == pytest.approx(0.2344, rel=0.01)


def test_lengths_above_the_last_edge_are_open() -> None:
    data = np.concatenate([np.full(98, 100.0), np.full(2, 30_000.0)])
    law = bucket_law(of(data), least=1.0, whole_numbers=True)
    assert law.open_share == pytest.approx(0.02)
    assert law.bracket(0.5) == (51.0, 100.0)
    assert law.bracket(0.99) == (5000.0, None)
    assert law.mean == pytest.approx(698.0)
    assert float(np.sum(np.diff(law.ranks) * (law.values[1:] + law.values[:-1]) / 2)) == pytest.approx(698.0)


def test_a_sum_that_the_buckets_cannot_have_is_refused() -> None:
    with pytest.raises(InputError, match=r"sum over count is 900, but .* between 51 and 100: .*reset"):
        bucket_law(Histogram("tokens", EDGES, np.eye(13)[6] * 50, 900.0 * 50), least=1.0, whole_numbers=True)
    with pytest.raises(InputError, match="no entries"):
        bucket_law(Histogram("tokens", EDGES, np.zeros(13), 0.0), least=1.0, whole_numbers=True)


def test_buckets_that_fall_are_refused_as_a_reset() -> None:
    rows = {
        frozenset({"le": le}.items()): grown for le, grown in (("10", 90.0), ("20", 40.0), ("+Inf", 95.0))
    }
    with pytest.raises(InputError, match=r"reset inside the window; ask for a shorter --window"):
        histogram("tokens", rows, 500.0)
    with pytest.raises(InputError, match='no bucket le="\\+Inf"'):
        histogram("tokens", {frozenset({"le": "10"}.items()): 5.0}, 10.0)
    with pytest.raises(InputError, match="is no number"):
        histogram("tokens", {frozenset({"le": "ten"}.items()): 5.0}, 10.0)


def test_a_restart_hidden_in_a_small_bucket_is_seen_in_the_whole() -> None:
    """+Inf: 100, 110 | restart | 8, 20: grown 10 + 8 + 12 = 30. le=10: 3, 4 | 5, 9: 1 + 5 + 4 = 10, not 6."""
    times = (0.0, 15.0, 30.0, 45.0)
    rows = [
        Series({"le": "10"}, times, (3.0, 4.0, 5.0, 9.0)),
        Series({"le": "+Inf"}, times, (100.0, 110.0, 8.0, 20.0)),
    ]
    grown = growth_by_labels(rows)
    assert grown[frozenset({"le": "+Inf"}.items())] == 30.0
    assert grown[frozenset({"le": "10"}.items())] == 10.0
