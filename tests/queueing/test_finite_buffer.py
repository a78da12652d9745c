"""Finite buffers: closed forms, the infinite queue's formula, simulation beyond saturation."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.queueing import (
    MG1K,
    MM1K,
    Atoms,
    Deterministic,
    Erlang,
    Exponential,
    Gamma,
    Lognormal,
    ServiceLaw,
)

ATOMS = Atoms([0.2, 0.8, 4.0], [0.5, 0.4, 0.1])


@pytest.mark.parametrize("rho", [0.01, 0.5, 1.0, 1.2, 30.0])
@pytest.mark.parametrize("capacity", [1, 2, 5, 50])
def test_exponential_service_is_mm1k(rho: float, capacity: int) -> None:
    one, two = MM1K(rho, 1.0, capacity), MG1K(rho, Exponential(1.0), capacity)
    powers = rho ** np.arange(capacity + 1.0)
    assert one.loss_probability == pytest.approx(powers[-1] / powers.sum(), rel=1e-12)
    assert two.loss_probability == pytest.approx(one.loss_probability, rel=1e-9, abs=1e-14)
    assert two.mean_in_system == pytest.approx(one.mean_in_system, rel=1e-9)
    assert two.mean_wait_s == pytest.approx(one.mean_wait_s, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("service", [ATOMS, Deterministic(1.0), Lognormal(1.0, 2.0)])
@pytest.mark.parametrize("rate", [0.3, 1.0, 2.5])
def test_room_for_one_is_erlangs_loss(service: ServiceLaw, rate: float) -> None:
    """Insensitive: rho/(1 + rho) whatever the service (A. K. Erlang 1917; B. A. Sevastyanov 1957)."""
    load = rate * service.mean_s
    law = MG1K(rate, service, 1)
    assert law.loss_probability == pytest.approx(load / (1 + load), rel=1e-12)
    assert law.mean_wait_s == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("service", [ATOMS, Deterministic(0.7), Erlang(0.7, 3), Gamma(0.7, 3.0)])
@pytest.mark.parametrize("capacity", [2, 4, 12])
def test_formula_from_the_infinite_queue(service: ServiceLaw, capacity: int) -> None:
    """rho < 1: (1-rho)(1-q)/(1-rho(1-q)), q = sum_{j<K} p_j of M/G/1 (J. Keilson 1966)."""
    rho = 0.7
    rate = rho / service.mean_s
    a = service.poisson_counts(rate, capacity + 1)
    p = np.zeros(capacity)
    p[0] = 1 - rho
    for n in range(capacity - 1):  # p_{n+1} a_0 = p_n - p_0 a_n - sum_{1<=i<=n} p_i a_{n-i+1}
        p[n + 1] = (p[n] - p[0] * a[n] - sum(p[i] * a[n - i + 1] for i in range(1, n + 1))) / a[0]
    above = 1 - p.sum()
    expected = (1 - rho) * above / (1 - rho * above)
    assert MG1K(rate, service, capacity).loss_probability == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("rate", "capacity"), [(0.8, 3), (1.6, 6)])
def test_against_simulation(rate: float, capacity: int) -> None:
    """Event by event, 300,000 arrivals, at loads 0.66 and 1.31."""
    rng = np.random.default_rng(9)
    n = 300_000
    arrivals = np.cumsum(rng.exponential(1 / rate, n)).tolist()
    lengths = rng.choice(ATOMS.values_s, p=ATOMS.weights, size=n).tolist()
    leaving: deque[float] = deque()
    free, lost, waited = 0.0, 0, []
    for at, length in zip(arrivals, lengths, strict=True):
        while leaving and leaving[0] <= at:
            leaving.popleft()
        if len(leaving) >= capacity:
            lost += 1
            continue
        start = max(free, at)
        waited.append(start - at)
        free = start + length
        leaving.append(free)
    law = MG1K(rate, ATOMS, capacity)
    assert law.loss_probability == pytest.approx(lost / n, rel=0.03)
    assert law.mean_wait_s == pytest.approx(np.mean(waited), rel=0.03)


def test_quantiles_of_mm1k() -> None:
    """Large K is M/M/1; a full room at infinite load makes K - 1 services to wait for."""
    law = MM1K(0.5, 1.0, 200)
    p = np.array([0.4, 0.9, 0.999])
    assert law.wait_quantile_s(p) == pytest.approx(np.maximum(0, np.log(0.5 / (1 - p)) / 0.5), rel=1e-9)
    assert law.response_quantile_s(p) == pytest.approx(-np.log1p(-p) / 0.5, rel=1e-9)
    t = np.linspace(0, 60, 6001)
    assert np.trapezoid(MM1K(2.0, 1.0, 8).wait_sf(t), t) == pytest.approx(
        MM1K(2.0, 1.0, 8).mean_wait_s, rel=1e-4
    )


def test_extreme_loads() -> None:
    assert MG1K(1e4, Deterministic(1.0), 5).loss_probability == pytest.approx(1 - 1e-4, rel=1e-9)
    assert MM1K(1e4, 1.0, 400).loss_probability == pytest.approx(1 - 1e-4, rel=1e-9)
    assert MG1K(1e-4, Deterministic(1.0), 40).loss_probability == pytest.approx(0.0, abs=1e-15)


def test_bad_input_is_refused() -> None:
    for bad in (lambda: MM1K(1.0, 1.0, 0), lambda: MG1K(0.0, ATOMS, 2), lambda: MM1K(1.0, -1.0, 2)):
        with pytest.raises(InputError):
            bad()
