"""M/G/1: brackets hold the truth and are narrow; the point is far closer; speed."""

from __future__ import annotations

import time

import numpy as np
import pytest
from queueing_witness import PhaseWait, batch_interval, erlang_wait, hyperexponential_wait, lindley

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import (
    MD1,
    MG1,
    MM1,
    Atoms,
    Deterministic,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    ServiceLaw,
    mg1_wait_quantile_bounds_fast,
)
from pdplan.trust import Trust

P = np.array([0.5, 0.9, 0.99, 0.999, 0.9999, 0.999999])
RHO = [0.05, 0.3, 0.6, 0.8, 0.9, 0.95]
LENGTHS = np.exp(np.linspace(-2, 3, 101))
HISTOGRAM = Atoms(LENGTHS, np.exp(-((np.linspace(-2, 3, 101) - 0.3) ** 2)))


def h2_wait(rho: float) -> PhaseWait:
    law = Hyperexponential(1.0, 4.0)
    return hyperexponential_wait(rho, np.array(law.weights), np.array([x.mean_s for x in law.laws]))


def test_partial_fractions_are_right() -> None:
    """The witness itself: M/M/1 as a hyperexponential of two equal phases, and the mean of M/E4/1."""
    t = np.array([0.0, 1.0, 10.0])
    assert erlang_wait(0.7, 1.0, 1).sf(t) == pytest.approx(MM1(0.7, 1.0).wait_sf(t), rel=1e-10)
    grid = np.linspace(0, 200, 400_001)
    mean = float(np.trapezoid(erlang_wait(0.7, 1.0, 4).sf(grid), grid))
    assert mean == pytest.approx(MG1(0.7, Erlang(1.0, 4)).mean_wait_s, rel=1e-6)
    mean = float(np.trapezoid(h2_wait(0.7).sf(grid), grid))
    assert mean == pytest.approx(MG1(0.7, Hyperexponential(1.0, 4.0)).mean_wait_s, rel=1e-6)


@pytest.mark.parametrize("rho", [*RHO, 0.98])
@pytest.mark.parametrize("name", ["M", "D", "E4", "H2"])
def test_brackets_hold_the_exact_law(rho: float, name: str) -> None:
    services: dict[str, ServiceLaw] = {
        "M": Exponential(1.0),
        "D": Deterministic(1.0),
        "E4": Erlang(1.0, 4),
        "H2": Hyperexponential(1.0, 4.0),
    }
    law = MG1(arrival_rate=rho, service=services[name])
    exact = {
        "M": lambda t: MM1(rho, 1.0).wait_sf(t),
        "D": lambda t: MD1(rho, 1.0).wait_sf(t),
        "E4": lambda t: erlang_wait(rho, 1.0, 4).sf(t),
        "H2": lambda t: h2_wait(rho).sf(t),
    }[name]
    p = P[1 - rho < P]
    low, high = law.wait_quantile_bounds_s(p)
    point = law.wait_quantile_s(p)
    # the truth is where the exact tail is 1 - p: the bracket must hold it, the point must be on it
    assert (exact(low) >= (1 - p) * (1 - 1e-4)).all()
    assert (exact(high) <= (1 - p) * (1 + 1e-4)).all()
    assert (low <= point).all()
    assert (point <= high).all()
    assert exact(point) == pytest.approx(1 - p, rel=2e-3)
    assert (law.wait_quantile_s(P[1 - rho >= P]) == 0).all()
    if rho <= 0.95 and 1 - rho < 0.99:
        i = int(np.searchsorted(p, 0.99))
        assert (high[i] - low[i]) / high[i] < 0.01


@pytest.mark.parametrize("rho", RHO)
@pytest.mark.parametrize("service", [HISTOGRAM, Lognormal(1.0, 3.0)], ids=["histogram", "lognormal"])
def test_default_bracket_is_below_one_percent(rho: float, service: ServiceLaw) -> None:
    law = MG1(arrival_rate=rho / service.mean_s, service=service)
    low, high = law.wait_quantile_bounds_s(0.99)
    assert high - low <= 0.01 * high
    low, high = law.response_quantile_bounds_s(0.99)
    assert high - low <= 0.01 * high


def test_asked_tolerance_is_kept() -> None:
    low, high = MG1(0.8 / HISTOGRAM.mean_s, HISTOGRAM, tolerance=0.001).wait_quantile_bounds_s(0.99)
    assert high - low <= 0.001 * high


@pytest.mark.parametrize("service", [HISTOGRAM, Lognormal(1.0, 3.0)], ids=["histogram", "lognormal"])
def test_against_simulation(service: ServiceLaw) -> None:
    """Lindley's recursion, a million customers, 99% batch-means intervals."""
    rng = np.random.default_rng(11)
    n, rho = 1_000_000, 0.7
    if isinstance(service, Atoms):
        lengths = rng.choice(service.values_s, p=service.weights, size=n)
    else:
        assert isinstance(service, Lognormal)
        lengths = rng.lognormal(service.mu, service.sigma, n)
    law = MG1(rho / service.mean_s, service)
    waits = lindley(rng.exponential(1 / law.arrival_rate, n), lengths)[20_000:]
    mean, half = batch_interval(waits, lambda w: float(w.mean()))
    assert abs(mean - law.mean_wait_s) < half
    responses = waits + lengths[20_000:]
    for p in (0.5, 0.9, 0.99):
        q, half = batch_interval(waits, lambda w, p=p: float(np.quantile(w, p)))
        assert abs(q - law.wait_quantile_s(p)) < half
        q, half = batch_interval(responses, lambda w, p=p: float(np.quantile(w, p)))
        assert abs(q - law.response_quantile_s(p)) < half


@pytest.mark.parametrize("rho", [0.1, 0.6, 0.9])
def test_response_of_exponential_service(rho: float) -> None:
    law, exact = MG1(rho, Exponential(1.0)), MM1(rho, 1.0)
    truth = exact.response_quantile_s(P)
    low, high = law.response_quantile_bounds_s(P)
    assert (low <= truth).all()
    assert (truth <= high).all()
    assert law.response_quantile_s(P) == pytest.approx(truth, rel=1e-4)
    t = np.linspace(0, 20, 50)
    assert law.response_sf(t) == pytest.approx(exact.response_sf(t), abs=1e-4)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("service", [HISTOGRAM, Lognormal(1.0, 3.0), Exponential(1.0)])
def test_heavy_traffic(gap: float, service: ServiceLaw) -> None:
    """(1 - rho) W / E S_e tends to an exponential with mean 1 (J. F. C. Kingman 1961)."""
    law = MG1((1 - gap) / service.mean_s, service)
    p = np.array([0.5, 0.9, 0.99, 0.999])
    limit = -np.log1p(-p) * service.residual_mean_s / gap
    assert law.wait_quantile_s(p) == pytest.approx(limit, rel=5 * gap * service.scv + 5e-5 + 3 * gap)


@pytest.mark.parametrize("rho", [0.05, 0.3, 0.7, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("service", [HISTOGRAM, Exponential(1.0), Deterministic(1.0), Lognormal(1.0, 3.0)])
def test_fast_bounds_hold_the_law(rho: float, service: ServiceLaw) -> None:
    law = MG1(rho / service.mean_s, service)
    for p in (0.5, 0.9, 0.99, 0.999):
        low, high = mg1_wait_quantile_bounds_fast(law.arrival_rate, service, p)
        assert low <= law.wait_quantile_s(p) <= high
        assert np.isfinite(high)


@pytest.mark.speed
def test_speed_from_a_histogram() -> None:
    def best(call: object, tries: int) -> float:
        assert callable(call)
        times = []
        for _ in range(tries):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return min(times)

    rate = 0.95 / HISTOGRAM.mean_s
    assert best(lambda: MG1(rate, HISTOGRAM).wait_quantile_s(0.99), 5) < 0.05
    assert best(lambda: mg1_wait_quantile_bounds_fast(rate, HISTOGRAM, 0.99), 20) < 0.001


def test_sf_and_quantile_are_inverse_across_layers() -> None:
    law = MG1(0.7 / HISTOGRAM.mean_s, HISTOGRAM)
    p = np.sort(np.r_[np.linspace(0, 0.99, 200), 1 - np.logspace(-2, -6.9, 200)])
    q = law.wait_quantile_s(p)
    assert (np.diff(q) >= 0).all()
    assert 1 - law.wait_sf(q) == pytest.approx(np.maximum(p, 0.3), abs=1e-12)
    t = np.linspace(0, 100 * HISTOGRAM.mean_s, 1000)
    assert (np.diff(law.wait_sf(t)) <= 0).all()


def test_trust_and_errors() -> None:
    law = MG1.from_atoms(arrival_rate=0.5, values_s=[1.0], weights=[3.0])
    assert law.trust is Trust.BOUNDED
    with pytest.raises(InputError, match="percentiles"):
        law.wait_quantile_s(1 - 1e-9)
    with pytest.raises(InputError):
        law.wait_quantile_s(1.0)
    with pytest.raises(UnstableError):
        MG1(1.0, Deterministic(1.0))
    with pytest.raises(InputError):
        MG1.from_atoms(arrival_rate=0.5, values_s=[1.0, 2.0], weights=[1.0])
    with pytest.raises(InputError):
        MG1.from_atoms(arrival_rate=0.5, values_s=[], weights=[])
    with pytest.raises(InputError):
        MG1.from_atoms(arrival_rate=0.5, values_s=[-1.0], weights=[1.0])
