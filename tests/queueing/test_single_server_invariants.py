"""What every single-server law must satisfy, whatever its arguments (hypothesis)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdplan.errors import UnstableError
from pdplan.queueing import (
    GIG1,
    KLB,
    MD1,
    MG1,
    MM1,
    Atoms,
    BatchService,
    Gamma,
    SlowModulated,
    WaitingLaw,
)

P = np.array([0.0, 0.05, 0.3, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999])
FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

Factory = Callable[[float, float], Any]


def _atoms(mean_s: float) -> Atoms:
    return Atoms(np.array([0.25, 1.0, 3.0]) * mean_s / 1.05, [0.4, 0.5, 0.15])


#: law of (rho, mean service): the relative slack is what its lattice costs, 0 for closed forms.
LAWS: dict[str, tuple[Factory, float]] = {
    "MM1": (lambda rho, s: MM1(arrival_rate=rho / s, service_s=s), 1e-12),
    "MD1": (lambda rho, s: MD1(arrival_rate=rho / s, service_s=s), 1e-9),
    "MG1": (lambda rho, s: MG1(arrival_rate=rho / _atoms(s).mean_s, service=_atoms(s)), 2e-3),
    "GIG1": (lambda rho, s: GIG1(arrival_rate=rho / s, service=Gamma(s, 0.5), arrival_scv=0.5), 3e-3),
    "KLB": (
        lambda rho, s: KLB(arrival_rate=rho / s, mean_service_s=s, arrival_scv=1.0, service_scv=2.0),
        1e-12,
    ),
    "Batch": (
        lambda rho, s: BatchService(
            arrival_rate=rho / s * 3 / 2, step_base_s=s / 2, step_per_customer_s=s / 2, max_batch=3
        ),
        1e-6,
    ),
    "Slow": (
        lambda rho, s: SlowModulated([0.5, 0.5], [0.5 * rho / s, rho / s], Gamma(s, 0.5)),
        2e-3,
    ),
}
each_law = pytest.mark.parametrize("name", LAWS)


@each_law
@FEW
@given(rho=st.floats(0.02, 0.95), service_s=st.floats(1e-4, 1e3))
def test_little_order_and_protocol(name: str, rho: float, service_s: float) -> None:
    law = LAWS[name][0](rho, service_s)
    assert isinstance(law, WaitingLaw)
    assert law.mean_queue_length == pytest.approx(law.arrival_rate * law.mean_wait_s, rel=1e-12)
    assert law.mean_in_system == pytest.approx(law.arrival_rate * law.mean_response_s, rel=1e-12)
    if name != "Batch":
        assert law.mean_in_system - law.mean_queue_length == pytest.approx(law.utilization, rel=1e-9)
    wait, response = law.wait_quantile_s(P), law.response_quantile_s(P)
    assert np.isfinite(wait).all()
    assert (wait >= 0).all()
    assert (np.diff(wait) >= 0).all()
    assert (np.diff(response) >= -1e-9 * response[1:]).all()
    if name != "KLB":  # its response is a two-moment fit of its own
        assert (response >= wait * (1 - LAWS[name][1])).all()


@each_law
@FEW
@given(rho=st.floats(0.02, 0.95), service_s=st.floats(1e-4, 1e3))
def test_quantile_inverts_the_tail(name: str, rho: float, service_s: float) -> None:
    """sf(q_p) <= 1 - p <= sf(q_p-), with equality where the law is continuous, that is above 0."""
    law = LAWS[name][0](rho, service_s)
    q = law.wait_quantile_s(P)
    tail = law.wait_sf(q)
    assert (tail <= 1 - P + 1e-9).all()
    above = q > 0
    assert (law.wait_sf(q[above] * (1 - 1e-9)) >= 1 - P[above] - 1e-9).all()
    assert tail[above] == pytest.approx(1 - P[above], rel=1e-6, abs=1e-9)
    t = np.linspace(0, 30 * service_s, 64)
    assert (np.diff(law.wait_sf(t)) <= 1e-9).all()


@pytest.mark.slow
@each_law
@FEW
@given(rho=st.floats(0.02, 0.9), more=st.floats(1.01, 1.05))
def test_monotone_in_rate_and_in_service(name: str, rho: float, more: float) -> None:
    make, slack = LAWS[name]
    law, busier = make(rho, 1.0), make(rho * more, 1.0)
    slower = make(rho * more, more)  # the same arrival rate, longer services
    assert law.mean_wait_s < busier.mean_wait_s < slower.mean_wait_s
    a, b, c = (x.wait_quantile_s(P) for x in (law, busier, slower))
    assert (a <= b * (1 + slack) + 1e-9).all()
    assert (b <= c * (1 + slack) + 1e-9).all()
    assert (law.response_quantile_s(P) <= slower.response_quantile_s(P) * (1 + slack) + slack).all()


@each_law
@FEW
@given(rho=st.floats(0.02, 0.95), unit=st.sampled_from([1e-6, 1e-3, 60.0, 3600.0]))
def test_time_units_do_not_matter(name: str, rho: float, unit: float) -> None:
    make, slack = LAWS[name]
    law, other = make(rho, 1.0), make(rho, unit)
    assert other.utilization == pytest.approx(law.utilization, rel=1e-12)
    assert other.mean_wait_s == pytest.approx(unit * law.mean_wait_s, rel=1e-9)
    assert other.wait_quantile_s(P) == pytest.approx(
        unit * law.wait_quantile_s(P), rel=slack, abs=1e-9 * unit
    )
    assert other.response_quantile_s(P) == pytest.approx(
        unit * law.response_quantile_s(P), rel=max(slack, 1e-6)
    )


@pytest.mark.parametrize("name", ["MG1", "Slow"])
@FEW
@given(rho=st.floats(0.02, 0.95))
def test_bounds_enclose_the_point(name: str, rho: float) -> None:
    law = LAWS[name][0](rho, 1.0)
    low, high = law.wait_quantile_bounds_s(P)
    q = law.wait_quantile_s(P)
    assert (low <= q * (1 + 1e-9)).all()
    assert (q <= high * (1 + 1e-9)).all()
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()


@each_law
def test_saturation_is_refused(name: str) -> None:
    with pytest.raises(UnstableError):
        LAWS[name][0](1.02, 1.0)


@each_law
def test_scalars_and_shapes(name: str) -> None:
    law = LAWS[name][0](0.6, 1.0)
    assert isinstance(law.wait_quantile_s(0.9), float)
    assert isinstance(law.wait_sf(1.0), float)
    grid = np.full((2, 3), 0.9)
    assert law.wait_quantile_s(grid).shape == (2, 3)
    assert law.wait_sf(grid).shape == (2, 3)
    assert law.response_quantile_s([0.5, 0.9]).shape == (2,)
