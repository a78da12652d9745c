"""GI/G/1: against GI/M/1 in closed form, against M/G/1, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from queueing_witness import batch_interval, lindley

from pdplan.errors import InputError, UnstableError
from pdplan.queueing import (
    GIG1,
    MG1,
    Atoms,
    Deterministic,
    Erlang,
    Exponential,
    Gamma,
    Hyperexponential,
    Lognormal,
    ServiceLaw,
    klb_mean_wait_s,
    renewal_gaps,
    round_robin,
)
from pdplan.queueing._roots import find_root
from pdplan.trust import Trust

P = np.array([0.5, 0.9, 0.99, 0.999])
HISTOGRAM = Atoms(np.exp(np.linspace(-2, 3, 101)), np.exp(-((np.linspace(-2, 3, 101) - 0.3) ** 2)))


def sigma(rho: float, arrival_scv: float) -> float:
    """GI/M/1 (D. G. Kendall 1953): the root in (0, 1) of sigma = E exp(-(1 - sigma) A/E S)."""
    gaps = renewal_gaps(rho, arrival_scv)
    return find_root(lambda s: float(np.exp(gaps.log_mgf(s - 1))) - s, 0.0, 1 - 0.01 * (1 - rho))


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("arrival_scv", [0.0, 1 / 32, 0.25, 1.0, 4.0])
def test_gi_m_1_in_closed_form(rho: float, arrival_scv: float) -> None:
    s = sigma(rho, arrival_scv)
    law = GIG1(arrival_rate=rho, service=Exponential(1.0), arrival_scv=arrival_scv)
    assert law.mean_wait_s == pytest.approx(s / (1 - s), rel=1e-3)
    q = np.maximum(0.0, np.log(s / (1 - P)) / (1 - s))
    assert law.wait_quantile_s(P) == pytest.approx(q, rel=1e-3, abs=2e-3)
    assert law.wait_sf(0.0) == pytest.approx(s, abs=1e-3)
    # the response is exponential with rate (1 - sigma)/E S
    assert law.response_quantile_s(P) == pytest.approx(-np.log1p(-P) / (1 - s), rel=1e-3)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9, 0.95])
@pytest.mark.parametrize("service", [HISTOGRAM, Lognormal(1.0, 3.0), Deterministic(1.0)])
def test_poisson_arrivals_are_m_g_1(rho: float, service: ServiceLaw) -> None:
    rate = rho / service.mean_s
    law, exact = GIG1(arrival_rate=rate, service=service, arrival_scv=1.0), MG1(rate, service)
    assert law.mean_wait_s == pytest.approx(exact.mean_wait_s, rel=2e-3)
    p = np.array([0.8, 0.9, 0.99])
    assert law.wait_quantile_s(p) == pytest.approx(exact.wait_quantile_s(p), rel=2e-3)
    assert law.response_quantile_s(p) == pytest.approx(exact.response_quantile_s(p), rel=3e-3)


@pytest.mark.parametrize(
    ("gaps", "service"),
    [
        (Erlang(1.0, 4), HISTOGRAM),
        (Hyperexponential(1.0, 4.0), Lognormal(1.0, 1.5)),
        (Gamma(1.0, 2.0), Erlang(1.0, 2)),
        (Erlang(1.0, 8), Deterministic(1.0)),
    ],
    ids=["E4/histogram", "H2/lognormal", "gamma/E2", "E8/D"],
)
def test_against_simulation(gaps: ServiceLaw, service: ServiceLaw) -> None:
    """Lindley's recursion, a million customers; mean within 1% and p99 within 2%, or inside the interval."""
    rng = np.random.default_rng(23)
    n, rho = 1_000_000, 0.8

    def draw(law: ServiceLaw) -> np.ndarray:
        if isinstance(law, Atoms):
            return rng.choice(law.values_s, p=law.weights, size=n)
        if isinstance(law, Gamma):
            return rng.gamma(1 / law.scv, law.mean_s * law.scv, n)
        if isinstance(law, Lognormal):
            return rng.lognormal(law.mu, law.sigma, n)
        shares = np.array(law.weights)  # type: ignore[attr-defined]
        means = np.array([x.mean_s for x in law.laws])  # type: ignore[attr-defined]
        return rng.exponential(means[rng.choice(2, p=shares, size=n)])

    stretch = service.mean_s / rho / gaps.mean_s
    law = GIG1(arrival_rate=rho / service.mean_s, service=service, interarrival=stretched(gaps, stretch))
    waits = lindley(draw(gaps) * stretch, draw(service))[20_000:]
    mean, half = batch_interval(waits, lambda w: float(w.mean()))
    assert abs(mean - law.mean_wait_s) < max(half, 0.01 * law.mean_wait_s)
    for p, relative in ((0.9, 0.02), (0.99, 0.02)):
        q, half = batch_interval(waits, lambda w, p=p: float(np.quantile(w, p)))
        assert abs(q - law.wait_quantile_s(p)) < max(half, relative * q)
    assert law.trust is Trust.EXACT


def stretched(law: ServiceLaw, by: float) -> ServiceLaw:
    if isinstance(law, Gamma):
        return Gamma(law.mean_s * by, law.scv)
    return Hyperexponential(law.mean_s * by, law.scv)


def test_no_wait_at_all() -> None:
    law = GIG1(arrival_rate=0.5, service=Deterministic(1.0), arrival_scv=0.0)
    assert law.mean_wait_s == 0.0
    assert law.wait_quantile_s(0.999) == 0.0
    assert law.wait_sf(0.0) == 0.0
    assert law.response_quantile_s(0.999) == 1.0


def test_wait_lattice_keeps_the_law() -> None:
    law = GIG1(arrival_rate=0.8, service=Exponential(1.0), arrival_scv=0.25)
    other = law.wait_lattice(0.05, 2048)
    assert other.mean_s == pytest.approx(law.mean_wait_s, rel=1e-3)
    assert other.quantile_s(P) == pytest.approx(law.wait_quantile_s(P), rel=2e-3)
    assert not other.has_bounds


def test_two_moments_are_only_approximate() -> None:
    assert GIG1(arrival_rate=0.5, service=Exponential(1.0), arrival_scv=2.0).trust is Trust.APPROXIMATE
    assert GIG1(arrival_rate=0.5, service=Exponential(1.0), arrival_scv=1.0).trust is Trust.EXACT


def test_round_robin_deals_erlang_gaps() -> None:
    law = round_robin(arrival_rate=3.2, service=Exponential(1.0), servers=4)
    assert law.arrival_rate == pytest.approx(0.8)
    assert law.gaps.scv == pytest.approx(0.25)
    s = sigma(0.8, 0.25)
    assert law.mean_wait_s == pytest.approx(s / (1 - s), rel=1e-3)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="neither"):
        GIG1(arrival_rate=0.5, service=Exponential(1.0))
    with pytest.raises(InputError, match="mean gap"):
        GIG1(arrival_rate=0.5, service=Exponential(1.0), interarrival=Exponential(1.5))
    with pytest.raises(UnstableError):
        GIG1(arrival_rate=1.0, service=Exponential(1.0), arrival_scv=2.0)
    with pytest.raises(InputError):
        round_robin(arrival_rate=1.0, service=Exponential(1.0), servers=0)


@pytest.mark.parametrize("rho", [0.6, 0.8, 0.9, 0.98])
@pytest.mark.parametrize("arrival_scv", [0.25, 4.0])
def test_klb_mean_as_measured(rho: float, arrival_scv: float) -> None:
    s = sigma(rho, arrival_scv)
    assert klb_mean_wait_s(rho, 1.0, arrival_scv, 1.0) == pytest.approx(s / (1 - s), rel=0.065)


def test_extremes_are_answered_and_labelled() -> None:
    """Nearly constant gaps never make anybody wait; heavy tails and heavy traffic are not called exact."""
    calm = GIG1(arrival_rate=0.5, service=Deterministic(1.0), interarrival=Gamma(2.0, 0.001))
    assert calm.mean_wait_s == 0.0
    assert calm.wait_quantile_s(0.99999) == 0.0
    wild = GIG1(arrival_rate=0.5, service=Lognormal(1.0, 100.0), interarrival=Erlang(2.0, 2))
    assert wild.trust is Trust.APPROXIMATE
    few = Atoms([1e-6, 1e-3, 1.0, 1e3], [0.9, 0.09, 0.0099, 0.0001])
    rate = 0.9999 / few.mean_s
    jammed = GIG1(arrival_rate=rate, service=few, interarrival=Erlang(1 / rate, 2))
    assert jammed.trust is Trust.APPROXIMATE
    assert jammed.mean_wait_s == pytest.approx(klb_mean_wait_s(rate, few.mean_s, 0.5, few.scv), rel=1e-9)
    assert jammed.wait_sf(jammed.wait_quantile_s(0.99)) == pytest.approx(0.01, rel=1e-9)
    assert jammed.response_sf(jammed.response_quantile_s(0.99)) == pytest.approx(0.01, rel=1e-6)
