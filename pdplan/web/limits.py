"""How much one server gives to those who ask: bytes, seconds, memory, places in the queue."""

from __future__ import annotations

import os
from dataclasses import dataclass


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a server.

    Parameters
    ----------
    body_bytes : int
        Largest body of an API request [B].
    upload_bytes : int
        Largest file that the page takes [B].
    body_s : float
        Longest that a body may take to arrive [s].
    compute_s : float
        Longest that one answer may be computed [s].
    waiting : int
        API requests that may wait for a worker; what comes on top is told to come back.
    patience_s : float
        Longest that one of them waits [s].
    requests : int
        Most requests that an API call may simulate.
    workers : int
        Processes that compute for the API.
    pages : int
        Pages that may be open at once.
    memory_bytes : int
        Address space of one worker [B].
    """

    body_bytes: int = 256 * 1024
    upload_bytes: int = 32 * 1024 * 1024
    body_s: float = 20.0
    compute_s: float = 120.0
    waiting: int = 64
    patience_s: float = 30.0
    requests: int = 200_000
    workers: int = 0
    pages: int = 64
    memory_bytes: int = 8 * 2**30

    @property
    def api_workers(self) -> int:
        """Processes that compute for the API: one a core unless said otherwise."""
        return self.workers or cores()
