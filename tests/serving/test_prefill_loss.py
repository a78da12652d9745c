"""Limited queues and impatience: textbook values, a simulation, invariants."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from pdplan.errors import InputError, UnsupportedError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.serving.demand import ClassDemand
from pdplan.serving.prefill_loss import limited_queue, with_timeout
from pdplan.trust import Trust

MODEL = Fitted(PrefillFit(0.0, 1e-3), (DecodeFit(0.01, 0.0),), (1, 1e5), (1, 512), "made for tests")


def demand(rate: float, lengths=(1000.0,)) -> ClassDemand:
    n = len(lengths)
    return ClassDemand("d", rate, np.array(lengths), np.full(n, 10.0), np.full(n, 1 / n))


def test_erlang_b_is_the_queue_without_room():
    # one server, no room: rho/(1 + rho) whatever the service law
    lost = limited_queue([demand(2.0, (500.0, 1500.0))], MODEL, instances=1, room=0)
    assert lost.lost_probability == pytest.approx(2 / 3)
    assert lost.accepted_rate == pytest.approx(2 / 3)
    assert lost.trust is Trust.EXACT
    # four servers, no room: Erlang B(4, 3.6) = 0.2706...: a^c/c! / sum a^k/k!
    pool = limited_queue([demand(3.6)], MODEL, instances=4, room=0, router="least_work")
    terms = [1.0]
    for k in range(1, 5):
        terms.append(terms[-1] * 3.6 / k)
    assert pool.lost_probability == pytest.approx(terms[4] / sum(terms), rel=1e-12)


def test_overload_against_simulation():
    lengths = (200.0, 800.0, 2600.0)
    lost = limited_queue([demand(1.2, lengths)], MODEL, instances=1, room=3)
    rng = np.random.default_rng(5)
    n = 400_000
    arrive, service = np.cumsum(rng.exponential(1 / 1.2, n)), rng.choice(lengths, n) / 1000
    ends: deque[float] = deque()
    gone = 0
    for t, s in zip(arrive, service, strict=True):
        while ends and ends[0] <= t:
            ends.popleft()
        if len(ends) == 4:
            gone += 1
        else:
            ends.append((ends[-1] if ends else t) + s)
    assert lost.lost_probability == pytest.approx(gone / n, rel=0.015)
    assert lost.offered_load == pytest.approx(1.44)


def test_monotone_and_conserving():
    rooms = [limited_queue([demand(1.5)], MODEL, instances=1, room=r) for r in (0, 1, 4, 16)]
    assert sorted((x.lost_probability for x in rooms), reverse=True) == [x.lost_probability for x in rooms]
    assert rooms[-1].accepted_rate < 1.0
    patient = [with_timeout([demand(6.0)], MODEL, instances=4, patience_s=s) for s in (0.5, 2.0, 8.0)]
    assert sorted((x.lost_probability for x in patient), reverse=True) == [
        x.lost_probability for x in patient
    ]
    better = with_timeout([demand(6.0)], MODEL, instances=4, patience_s=2.0, router="least_work")
    assert better.lost_probability < patient[1].lost_probability
    assert better.trust is Trust.APPROXIMATE


def test_errors():
    with pytest.raises(UnsupportedError, match="jsq"):
        limited_queue([demand(1.0)], MODEL, instances=2, room=3, router="jsq")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="room"):
        limited_queue([demand(1.0)], MODEL, instances=2, room=-1)
    with pytest.raises(InputError):
        with_timeout([demand(1.0)], MODEL, instances=2, patience_s=0.0)
