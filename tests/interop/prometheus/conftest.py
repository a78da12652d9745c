"""An engine with a known schedule, and a small stand-in for a Prometheus server, both on loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

TOKEN_EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
TTFT_EDGES = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0)
ITL_EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
E2E_EDGES = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0)
#: prompt tokens, output tokens, TTFT [s], TPOT [s]: every request is one of these, in turn
REQUESTS = ((100, 1, 0.05, 0.0), (700, 30, 0.09, 0.02), (1500, 200, 0.3, 0.03), (3000, 150, 0.4, 0.04))


@dataclass
class Engine:
    """vLLM's metrics after so many requests, the same four over and over; 30% of prompts are cached."""

    labels: dict[str, str] = field(default_factory=lambda: {"model_name": "m", "engine": "0"})
    waiting: float = 0.0

    def values(self, served: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        prompt, output, ttft, tpot = (np.array([row[k] for row in REQUESTS], dtype=float) for k in range(4))
        times = np.array([served // 4 + (k < served % 4) for k in range(4)], dtype=float)
        found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

        def put(name: str, value: float, **more: str) -> None:
            found[name, tuple(sorted({**self.labels, **more}.items()))] = float(value)

        def histogram(name: str, entries: np.ndarray, edges: tuple[float, ...], each: np.ndarray) -> None:
            for edge in edges:
                put(f"{name}_bucket", each[entries <= edge].sum(), le=str(float(edge)))
            put(f"{name}_bucket", each.sum(), le="+Inf")
            put(f"{name}_sum", entries @ each)
            put(f"{name}_count", each.sum())

        histogram("vllm:request_prompt_tokens", prompt, TOKEN_EDGES, times)
        histogram("vllm:request_generation_tokens", output, TOKEN_EDGES, times)
        histogram("vllm:time_to_first_token_seconds", ttft, TTFT_EDGES, times)
        histogram("vllm:request_time_per_output_token_seconds", tpot, ITL_EDGES, times)
        histogram("vllm:inter_token_latency_seconds", tpot, ITL_EDGES, times * (output - 1))
        histogram("vllm:e2e_request_latency_seconds", ttft + tpot * (output - 1), E2E_EDGES, times)
        put("vllm:request_success_total", served, finished_reason="stop")
        put("vllm:prefix_cache_queries_total", prompt @ times)
        put("vllm:prefix_cache_hits_total", 0.3 * (prompt @ times))
        put("vllm:num_requests_waiting", self.waiting)
        return found

    def exposition(self, served: int) -> str:
        """The text that an engine gives on /metrics."""
        values = self.values(served)
        kinds = {
            name: kind
            for metric, _ in values
            for name, kind in [
                (metric.removesuffix("_bucket"), "histogram")
                if metric.endswith("_bucket")
                else (metric, "counter" if metric.endswith("_total") else "gauge")
            ]
            if not metric.endswith(("_sum", "_count"))
        }
        lines = []
        for name, kind in kinds.items():
            lines.append(f"# TYPE {name} {kind}")
            for (metric, labels), value in values.items():
                if metric == name or (kind == "histogram" and metric.rpartition("_")[0] == name):
                    pairs = ",".join(f'{k}="{v}"' for k, v in labels)
                    lines.append(f"{metric}{{{pairs}}} {value!r}")
        return "\n".join(lines) + "\n"


@dataclass
class Store:
    """Samples of series, and answers to the few forms of query that pdplan asks."""

    now: float = 10_000.0
    series: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = field(
        default_factory=dict
    )
    asked: list[str] = field(default_factory=list)

    def add(self, at: float, values: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> None:
        for key, value in values.items():
            self.series.setdefault(key, []).append((at, value))

    def scrape(self, engine: Engine, served: Callable[[float], int], times: np.ndarray) -> None:
        for at in times:
            self.add(float(at), engine.values(served(float(at))))

    def answer(self, query: str, at: float) -> dict[str, object]:
        self.asked.append(query)
        if query == "time()":
            return {"resultType": "scalar", "result": [self.now, str(self.now)]}
        form = re.fullmatch(
            r"(?:(count|group by \(\w+\)) ?\()?(?:(\w+_over_time)\()?"
            r"([a-zA-Z0-9_:]+)(?:\{(.*)\})?\[(\d+)ms\]\)?\)?",
            query,
        )
        if form is None:
            raise ValueError(f"parse error: {query}")
        outer, over, name, selector, length = form.groups()
        rows = self._rows(name, selector or "", at - int(length) / 1000, at)
        if over is None:
            result = [
                {"metric": {"__name__": name, **labels}, "values": [[t, str(v)] for t, v in points]}
                for labels, points in rows
            ]
            return {"resultType": "matrix", "result": result}
        pick = {"min_over_time": min, "last_over_time": lambda values: values[-1]}[over]
        made = [(labels, pick([v for _, v in points])) for labels, points in rows]
        if outer == "count":
            made = [({}, len(made))] if made else []
        elif outer:
            label = outer.removeprefix("group by (").removesuffix(")")
            made = [({label: v}, 1) for v in sorted({labels.get(label, "") for labels, _ in made})]
        return {
            "resultType": "vector",
            "result": [{"metric": labels, "value": [at, str(float(v))]} for labels, v in made],
        }

    def _rows(
        self, name: str, selector: str, start: float, end: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        wanted = re.findall(r'(\w+)(=|!=)"([^"]*)"', selector)
        rows = []
        for (metric, labels), points in self.series.items():
            of = dict(labels)
            if metric == name and all((of.get(k, "") == v) == (op == "=") for k, op, v in wanted):
                inside = [(t, v) for t, v in points if start <= t <= end]
                if inside:
                    rows.append((of, inside))
        return rows


@contextmanager
def serve(respond: Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """Answer GET on a free port of loopback; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = respond(self.path, dict(self.headers))
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serve_store(store: Store) -> Iterator[str]:
    """A stand-in for Prometheus that knows the samples of a store."""

    def respond(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        fields = parse_qs(urlsplit(path).query)
        try:
            data = store.answer(fields["query"][0], float(fields.get("time", ["0"])[0]))
        except ValueError as error:
            text = json.dumps({"status": "error", "errorType": "bad_data", "error": str(error)})
            return 400, {}, text.encode()
        return 200, {}, json.dumps({"status": "success", "data": data}).encode()

    with serve(respond) as url:
        yield url


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is asked directly."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lab() -> SimpleNamespace:
    """Everything above, for tests."""
    return SimpleNamespace(
        Engine=Engine, Store=Store, serve=serve, serve_store=serve_store, requests=REQUESTS
    )


@pytest.fixture(scope="module")
def module_lab() -> SimpleNamespace:
    """The same for fixtures of a module."""
    return SimpleNamespace(Engine=Engine, serve=serve)
