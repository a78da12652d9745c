"""One window of one server's metrics: histograms and counters as they grew in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pdplan.interop.prometheus.buckets import Histogram, growth_by_labels, histogram
from pdplan.interop.prometheus.client import PrometheusClient, Series

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Window:
    """A window of time on a server, and which series count.

    Parameters
    ----------
    client : PrometheusClient
    end_s, length_s : float
        End on the server's clock, and length [s].
    selector : str
        Label matchers without braces.
    raw : bool
        Whether growth is found from every sample (after restarts) or from the first and last one.
    """

    client: PrometheusClient
    end_s: float
    length_s: float
    selector: str
    raw: bool = False

    def through_restarts(self) -> Window:
        """Return the window read sample by sample: growth across restarts adds up, for more traffic."""
        return replace(self, raw=True)

    def everywhere(self) -> Window:
        """Return the window without a selector."""
        return replace(self, selector="")

    def has(self, name: str) -> bool:
        """Whether any series of that name has a sample."""
        return bool(self._at_end(f"count(last_over_time({self._range(name)}))"))

    def narrowed(self, matcher: str) -> Window:
        """Return the window with one more label matcher."""
        return replace(self, selector=",".join(m for m in (self.selector, matcher) if m))

    def values(self, label: str, names: Iterable[str]) -> list[str]:
        """Return the values of a label over the series of these names."""
        found: set[str] = set()
        for name in names:
            rows = self._at_end(f"group by ({label}) (last_over_time({self._range(name)}))")
            found |= {row.labels.get(label, "") for row in rows}
        return sorted(found - {""})

    def samples(self, name: str) -> list[Series]:
        """Return every sample of the series of that name."""
        return self.client.samples(self._chosen(name), self.length_s, self.end_s)

    def counter(self, candidates: Sequence[str]) -> float | None:
        """Return how much the first counter that exists grew, all targets together."""
        for name in candidates:
            grown = self._grown(name, "")
            if grown:
                return sum(grown.values())
        return None

    def gauge_change(self, candidates: Sequence[str]) -> tuple[float, float] | None:
        """Return the sum over targets of a gauge at the first and at the last sample."""
        for name in candidates:
            rows = [s for s in self.samples(name) if s.values]
            if rows:
                return sum(s.values[0] for s in rows), sum(s.values[-1] for s in rows)
        return None

    def histogram(self, candidates: Sequence[str], extra: str = "") -> Histogram | None:
        """Return the growth of the first histogram that exists; None where none does."""
        for name in candidates:
            buckets = self._grown(f"{name}_bucket", extra)
            if buckets:
                return histogram(name, buckets, sum(self._grown(f"{name}_sum", extra).values()))
        return None

    def _grown(self, name: str, extra: str) -> dict[Labels, float]:
        """Growth of each series between its first and last sample in the window."""
        if self.raw:
            chosen = self._chosen(name, extra)
            return growth_by_labels(self.client.samples(chosen, self.length_s, self.end_s))
        # Without a restart a counter is smallest at its first sample.
        first = _by_labels(self._at_end(f"min_over_time({self._range(name, extra)})"))
        last = _by_labels(self._at_end(f"last_over_time({self._range(name, extra)})"))
        return {labels: last[labels] - first.get(labels, 0.0) for labels in last}

    def _at_end(self, query: str) -> list[Series]:
        return self.client.instant(query, self.end_s)

    def _chosen(self, name: str, extra: str = "") -> str:
        matchers = ",".join(m for m in (self.selector, extra) if m)
        return f"{name}{{{matchers}}}" if matchers else name

    def _range(self, name: str, extra: str = "") -> str:
        return f"{self._chosen(name, extra)}[{round(1000 * self.length_s)}ms]"


def _by_labels(rows: Iterable[Series]) -> dict[Labels, float]:
    return {frozenset(row.labels.items()): row.values[0] for row in rows}


def selector_text(given: str) -> str:
    """Return label matchers without the braces, blanks and last comma that people write around them.

    Examples
    --------
    >>> selector_text(' {model_name="x",} ')
    'model_name="x"'
    """
    text = given.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    return text.rstrip(",").rstrip()
