"""What all stations share: Little's law and answers in the shape of the question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.queueing.plot import PlotsWait

Array = NDArray[np.float64]


def little_customers(arrival_rate: Any, mean_time_s: Any) -> Any:
    """Mean number of customers where each stays ``mean_time_s``: E L = lam E T.

    Parameters
    ----------
    arrival_rate : float or array or symbol
        Customers per second [1/s].
    mean_time_s : float or array or symbol
        Mean time each stays [s].

    Notes
    -----
    Source: J. D. C. Little, Operations Research 9 (1961) 383-387.

    Examples
    --------
    >>> little_customers(30.0, 0.5)
    15.0
    """
    return arrival_rate * mean_time_s


class LittleMixin(PlotsWait):
    """Numbers of customers from mean times: a law that knows its rate and means gets them here."""

    arrival_rate: float

    @property
    def mean_wait_s(self) -> float:
        """E W [s]."""
        raise NotImplementedError

    @property
    def mean_response_s(self) -> float:
        """E T [s]."""
        raise NotImplementedError

    @property
    def mean_queue_length(self) -> float:
        """Mean number waiting, E Lq = lam E W [-]."""
        return float(little_customers(self.arrival_rate, self.mean_wait_s))

    @property
    def mean_in_system(self) -> float:
        """Mean number waiting or in service, E L = lam E T [-]."""
        return float(little_customers(self.arrival_rate, self.mean_response_s))


def shaped_like(question: Any, answer: Any) -> Any:
    """Return ``answer`` as a float if ``question`` is a scalar, else as an array of its shape.

    Examples
    --------
    >>> import numpy as np
    >>> shaped_like(0.5, np.array([2.0])), shaped_like([0.1, 0.2], np.array([1.0, 2.0])).shape
    (2.0, (2,))
    """
    if np.ndim(question) == 0:
        return float(np.ravel(answer)[0])
    return np.reshape(answer, np.shape(question))


def each_p(p: Any, quantile: Callable[[Array], Array]) -> Any:
    """Check ``0 <= p < 1``, call ``quantile`` on a flat array and give back the shape of ``p``.

    Raises
    ------
    InputError
        ``p`` outside [0, 1).
    """
    if np.size(p) == 0:
        return np.zeros(np.shape(p))
    require_fraction("p", p, open_high=True)
    return shaped_like(p, quantile(np.ravel(np.asarray(p, dtype=float))))


def each_t(t: Any, sf: Callable[[Array], Array]) -> Any:
    """Evaluate a survival function on a flat array ``t`` [s]; it is 1 where ``t < 0``.

    Raises
    ------
    InputError
        ``t`` is not finite.
    """
    flat = np.ravel(np.asarray(t, dtype=float))
    if flat.size == 0:
        return np.zeros(np.shape(t))
    require_positive("t", np.abs(flat), "s", zero_ok=True)
    return shaped_like(t, np.where(flat < 0, 1.0, sf(np.maximum(flat, 0.0))))
