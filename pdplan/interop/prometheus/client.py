"""The two questions asked of a Prometheus server: a value at one moment, and the samples of a window."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from pdplan.errors import InputError

if TYPE_CHECKING:
    from urllib.error import HTTPError
    from urllib.request import Request

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Series:
    """One time series: its labels (without its name), and samples in order of time.

    Parameters
    ----------
    labels : mapping
    times_s : tuple of float
        Of the samples, as the server counts time [s].
    values : tuple of float
    """

    labels: Mapping[str, str]
    times_s: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class PrometheusClient:
    """The HTTP API of one Prometheus server (``/api/v1/query``).

    Parameters
    ----------
    url : str
        Of the server, with the path it is served under if there is one.
    token : str, optional
        Sent as ``Authorization: Bearer``; never shown, and never sent on to another address.
    timeout_s : float
        Longest wait for one answer [s].

    Raises
    ------
    InputError
        The URL is none; from every method also: the server cannot be reached, refuses, or is no Prometheus.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        """Check the URL."""
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(self.url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise InputError(
                f"--prometheus is {self.url!r}: give a URL such as http://prometheus.monitoring:9090"
            )
        if parts.username is not None:
            raise InputError("--prometheus has a user name in it: put a bearer token in a --token-file")
        if parts.query or parts.fragment:
            raise InputError(
                f"--prometheus is {self.url!r}: give the server's address alone, without a query"
            )

    def now_s(self) -> float:
        """Time on the server's clock [s]."""
        data = self._ask("time()", None)
        try:
            if data["resultType"] != "scalar":
                raise ValueError
            return float(data["result"][0])
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._not_prometheus() from None

    def instant(self, query: str, at_s: float) -> list[Series]:
        """Return the vector of a query at one moment: series with one sample each."""
        return self._series(query, self._ask(query, at_s), "vector")

    def samples(self, selector: str, window_s: float, at_s: float) -> list[Series]:
        """Return every stored sample of a selector in the window that ends at ``at_s``."""
        query = f"{selector}[{round(1000 * window_s)}ms]"
        return self._series(query, self._ask(query, at_s), "matrix")

    def _series(self, query: str, data: Mapping[str, Any], kind: str) -> list[Series]:
        try:
            if data["resultType"] != kind:
                raise ValueError
            found = []
            for row in data["result"]:
                points = row["values"] if kind == "matrix" else [row["value"]]
                labels = {str(k): str(v) for k, v in row["metric"].items() if k != "__name__"}
                times = tuple(float(t) for t, _ in points)
                found.append(Series(labels, times, tuple(float(v) for _, v in points)))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._not_prometheus() from None
        for series in found:
            if not all(map(isfinite, series.values)):
                raise InputError(
                    f"Prometheus at {self.url} holds a value that is no number in {_line(query)}: these "
                    "counters are not usable; choose other series with --selector"
                )
        return found

    def _ask(self, query: str, at_s: float | None) -> dict[str, Any]:
        """Ask ``/api/v1/query`` and return its data."""
        from urllib.parse import urlencode
        from urllib.request import Request

        fields = {"query": query} | ({} if at_s is None else {"time": f"{at_s:.3f}"})
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        address = f"{self.url.rstrip('/')}/api/v1/query?{urlencode(fields)}"
        try:
            answer = json.loads(self._get(Request(address, headers=headers)))
        except (UnicodeDecodeError, json.JSONDecodeError):
            raise self._not_prometheus() from None
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise self._not_prometheus()
        data = answer.get("data")
        if not isinstance(data, dict):
            raise self._not_prometheus()
        return data

    def _get(self, request: Request) -> bytes:
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError
        from urllib.request import HTTPRedirectHandler, build_opener

        class _StayHere(HTTPRedirectHandler):
            """Follow no redirect: a token must not reach another address."""

            def redirect_request(self, *_: Any) -> None:
                return None

        try:
            with build_opener(_StayHere()).open(request, timeout=self.timeout_s) as answer:
                body: bytes = answer.read()
                return body
        except HTTPError as error:
            with error:
                raise self._refused(error) from None
        except TimeoutError:
            raise self._unreachable(f"no answer within {self.timeout_s:g} s") from None
        except URLError as error:
            reason = error.reason
            said = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
            raise self._unreachable(said) from None
        except (OSError, HTTPException) as error:
            raise self._unreachable(str(error) or type(error).__name__) from None

    def _unreachable(self, why: str) -> InputError:
        return InputError(f"Prometheus at {self.url} cannot be reached: {_line(why)}; check --prometheus")

    def _not_prometheus(self) -> InputError:
        return InputError(
            f"{self.url} does not answer like a Prometheus server: give the address whose /api/v1/query "
            "answers (an engine's own /metrics is not one)"
        )

    def _refused(self, error: HTTPError) -> InputError:
        """Say what an HTTP status means, with the server's own words where it gives any."""
        try:
            said = _line(json.loads(error.read(100_000))["error"])
        except (OSError, ValueError, KeyError, TypeError):
            said = ""
        where = f"Prometheus at {self.url}"
        if error.code in (400, 422) and said:
            return InputError(f"{where} refuses the query: {said}; check --selector and --window")
        if error.code in (401, 403):
            return InputError(
                f"{where} refuses access (HTTP {error.code}): give a bearer token in --token-file"
            )
        if 300 <= error.code < 400:
            there = error.headers.get("Location", "elsewhere")
            return InputError(f"{where} redirects to {_line(there)}: give that server's address")
        if error.code == 404:
            return InputError(f"{self.url} has no /api/v1/query (HTTP 404): is it a Prometheus server?")
        return InputError(f"{where} fails: HTTP {error.code}{': ' + said if said else ''}; try again later")


def _line(text: object) -> str:
    """Return foreign text as one short line."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:200]
