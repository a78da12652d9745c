"""JSQ and power of two: their brackets hold the solution of the Markov chain."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import linalg

from pdplan.queueing.routing import jsq_bracket, least_work, power_of_two_bracket
from pdplan.queueing.service import Deterministic
from pdplan.queueing.service_continuous import Exponential, Hyperexponential
from pdplan.trust import Trust


def _mean_wait(rho: float, servers: int, choices: int, most: int) -> float:
    """E W of a random ``choices``-sample joining its shortest queue, from the chain cut at ``most`` jobs."""
    states = list(product(range(most + 1), repeat=servers))
    place = {state: i for i, state in enumerate(states)}
    rows, columns, rates = [], [], []

    def flow(a: tuple[int, ...], b: tuple[int, ...], rate: float) -> None:
        rows.extend([place[a], place[a]])
        columns.extend([place[b], place[a]])
        rates.extend([rate, -rate])

    picks = list(product(range(servers), repeat=choices))
    picks = [pick for pick in picks if len(set(pick)) == choices]
    for state in states:
        for pick in picks:
            best = min(state[i] for i in pick)
            ties = [i for i in pick if state[i] == best]
            for i in ties:
                if state[i] < most:
                    more = (*state[:i], state[i] + 1, *state[i + 1 :])
                    flow(state, more, rho * servers / len(picks) / len(ties))
        for i, jobs in enumerate(state):
            if jobs:
                flow(state, (*state[:i], jobs - 1, *state[i + 1 :]), 1.0)
    n = len(states)
    generator = sparse.csr_matrix((rates, (rows, columns)), shape=(n, n)).T.tolil()
    generator[0] = np.ones(n)
    law = linalg.spsolve(generator.tocsc(), np.eye(1, n)[0])
    return float(law @ np.array([sum(s) for s in states])) / (rho * servers) - 1


@pytest.mark.parametrize(
    ("rho", "servers", "choices", "most"), [(0.5, 2, 2, 25), (0.8, 2, 2, 45), (0.6, 3, 2, 12)]
)
def test_brackets_hold_the_chain(rho: float, servers: int, choices: int, most: int) -> None:
    make = jsq_bracket if choices == servers else power_of_two_bracket
    bracket = make(rho * servers, Exponential(1.0), servers)
    low, high = bracket.mean_wait_bounds_s
    assert low < _mean_wait(rho, servers, choices, most) < high
    assert bracket.mean_trust is Trust.BOUNDED
    assert bracket.trust is Trust.APPROXIMATE


def test_ends_and_labels() -> None:
    varied, constant = Hyperexponential(1.0, 4.0), Deterministic(1.0)
    assert jsq_bracket(3.2, varied, 4).mean_trust is Trust.APPROXIMATE
    assert jsq_bracket(3.2, constant, 4).mean_trust is Trust.BOUNDED
    assert least_work(3.2, varied, 4).trust is Trust.APPROXIMATE
    p = np.array([0.5, 0.99])
    for service in (varied, constant, Exponential(1.0)):
        bracket = power_of_two_bracket(3.2, service, 4)
        for low, high in (bracket.wait_quantile_bounds_s(p), bracket.response_quantile_bounds_s(p)):
            assert (low < high).all()
        low, high = bracket.mean_response_bounds_s
        assert low < high
        assert isinstance(bracket.wait_quantile_bounds_s(0.9)[0], float)
