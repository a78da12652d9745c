"""The controls: what is asked. Each writes one place of the scenario and tells the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from pdplan import units
from pdplan.spec.catalog import catalog_names, load_link
from pdplan.web import scales
from pdplan.web.elements import Element, Slider, button, choice, set_value, tag
from pdplan.web.scales import Scale
from pdplan.web.state import (
    Document,
    lengths_written_out,
    scaled_lengths,
    value_at,
    with_class,
    with_value,
    without_class,
)

_STATS: Final = ("mean", "p50", "p90", "p95", "p99", "p99.9")
_OWN: Final = "written out"
Path = tuple[str | int, ...]


class Controls:
    """All controls of one page.

    Parameters
    ----------
    get : callable
        Returns the document.
    put : callable
        Takes a changed document; its second argument says whether the controls must be drawn again.
    wrong : callable
        Takes a message about what was typed.
    """

    def __init__(
        self,
        get: Callable[[], Document],
        put: Callable[[Document, bool], None],
        wrong: Callable[[str], None],
    ) -> None:
        self._get = get
        self._put = put
        self._wrong = wrong
        self._lengths: dict[tuple[int, str], Slider] = {}
        self._base: dict[tuple[int, str], tuple[Any, float]] = {}
        self._workloads: dict[int, Element] = {}
        self._place: Element | None = None

    def draw(self) -> None:
        """Draw all controls where the page stands, or again where they were."""
        if self._place is None:
            self._place = tag("div", kind="controls-inside")
        self._place.clear()
        self._lengths.clear()
        self._base.clear()
        document = self._get()
        with self._place:
            self._system(document)
            for index in range(len(document["classes"])):
                self._class(document, index)
            button("Add a class", lambda: self._put(with_class(self._get()), True), "quiet")

    def show_lengths(self, classes: list[dict[str, Any]]) -> None:
        """Show mean lengths that an answer found, where nobody has moved them."""
        for (index, key), slider in self._lengths.items():
            if slider.value is not None or index >= len(classes):
                continue
            mean = float(classes[index][f"mean_{key}"])
            form = value_at(lengths_written_out(self._get(), index), ("classes", index, key))
            self._base[index, key] = form, mean
            slider.show(mean)

    # ---------------------------------------------------------------- system

    def _system(self, document: Document) -> None:
        with tag("fieldset"):
            tag("legend", "System")
            self._catalog("Model", "architectures", ("model",), document)
            self._catalog("Accelerator", "accelerators", ("accelerator",), document)
            self._decode_accelerator(document)
            self._link(document)
            stated = value_at(document, ("link_bandwidth",))
            link = load_link(document["link"])
            bandwidth = link.bytes_per_s if stated is None else units.parse(stated, "bytes_per_s")
            self._slider("Bandwidth of a port", scales.BANDWIDTH, ("link_bandwidth",), bandwidth, "bandwidth")
            overlap = units.parse(value_at(document, ("overlap",), 0.0), "fraction")
            self._slider("KV overlap", scales.OVERLAP, ("overlap",), overlap, "overlap")
            hit = units.parse(value_at(document, ("prefill", "prefix_hit"), 0.0), "fraction")
            self._slider("Prefix hit ratio", scales.HIT, ("prefill", "prefix_hit"), hit, "hit")
            if "total_tokens" in document:
                total = units.parse(document["total_tokens"], "tokens_per_s")
                self._slider("Tokens, in and out", scales.TOTAL, ("total_tokens",), total, "total")

    def _catalog(self, words: str, kind: str, path: Path, document: Document) -> None:
        choice(
            words, _names(kind, value_at(document, path)), value_at(document, path), partial(self._set, path)
        )

    def _decode_accelerator(self, document: Document) -> None:
        path: Path = ("decode", "accelerator")
        value = value_at(document, path, "")
        names = [("", "the same"), *_names("accelerators", value)]
        choice("Decode on", names, value, lambda name: self._set(path, name or None))

    def _link(self, document: Document) -> None:
        def chosen(name: str) -> None:  # a bandwidth that was set was that of another link
            changed = with_value(with_value(self._get(), ("link",), name), ("link_bandwidth",), None)
            self._put(changed, True)

        choice("KV link", _names("links", document["link"]), document["link"], chosen)

    # ---------------------------------------------------------------- classes

    def _class(self, document: Document, index: int) -> None:
        c = document["classes"][index]
        name = c.get("name", "all")
        with tag("fieldset"):
            tag("legend", f"Class {name}")
            if "rate" in c and not isinstance(c["rate"], dict):
                rate = units.parse(c["rate"], "rate")
                self._slider("Arrival rate", scales.RATE, ("classes", index, "rate"), rate, f"rate-{index}")
            self._workload(document, index)
            self._length("Mean prompt", scales.PROMPT, index, "prompt_tokens")
            self._length("Mean output", scales.OUTPUT, index, "output_tokens")
            for metric, limits in c["slo"].items():
                self._limits(index, metric, limits)
            if len(document["classes"]) > 1:
                words = f"Remove class {name}"
                button(words, lambda: self._put(without_class(self._get(), index), True), "quiet")

    def _workload(self, document: Document, index: int) -> None:
        path: Path = ("classes", index, "workload")
        value = value_at(document, path, "")
        names = [("", _OWN), *_names("workloads", value)]

        def chosen(name: str) -> None:
            changed = self._get()
            if not name:
                self._put(lengths_written_out(changed, index), True)
                return
            for key in ("prompt_tokens", "output_tokens", "length_correlation"):
                changed = with_value(changed, ("classes", index, key), None)
            self._put(with_value(changed, path, name), True)

        self._workloads[index] = choice("Lengths like", names, value, chosen)

    def _length(self, words: str, scale: Scale, index: int, key: str) -> None:
        stretch = partial(self._stretch, index, key)
        slider = Slider(words, scale, None, stretch, self._wrong, key=f"{key}-{index}")
        self._lengths[index, key] = slider

    def _stretch(self, index: int, key: str, mean: float) -> None:
        """Make every length of a class longer or shorter by one factor, so that their mean is this."""
        if (index, key) not in self._base:  # no answer has said how long they are
            return
        document = lengths_written_out(self._get(), index)
        set_value(self._workloads[index], "")
        form, base = self._base[index, key]
        self._put(with_value(document, ("classes", index, key), scaled_lengths(form, mean / base)), False)

    def _limits(self, index: int, metric: str, limits: Any) -> None:
        scale = scales.OF_METRIC.get(metric)
        if scale is None:  # the share of a joint objective
            return
        if not isinstance(limits, dict):
            path: Path = ("classes", index, "slo", metric)
            self._slider(
                f"{metric.upper()}, jointly", scale, path, units.parse(limits, "time"), f"{metric}-{index}"
            )
            return
        for stat, limit in limits.items():
            path = ("classes", index, "slo", metric, stat)
            key = f"{metric}-{stat}-{index}".replace(".", "_")
            self._slider(f"{metric.upper()} {stat} at most", scale, path, units.parse(limit, "time"), key)

    # ---------------------------------------------------------------- changes

    def _slider(self, words: str, scale: Scale, path: Path, value: float, key: str) -> None:
        Slider(words, scale, value, lambda x: self._set(path, scale.written(x)), self._wrong, key)

    def _set(self, path: Path, value: Any) -> None:
        self._put(with_value(self._get(), path, value), False)


@cache
def _catalog_names(kind: str) -> tuple[str, ...]:
    return tuple(catalog_names(kind))


def _names(kind: str, value: str | None) -> list[tuple[str, str]]:
    """Return the names of a kind to choose from, with the one in use where it is an alias."""
    names = list(_catalog_names(kind))
    if value and value not in names:
        names.insert(0, value)
    return [(n, n) for n in names]
