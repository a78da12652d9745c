"""A real Prometheus server scrapes a known engine on loopback: what pdplan reads is what the engine did."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from pdplan.errors import InputError
from pdplan.interop.prometheus import PrometheusClient, observe, workload_document, workload_text
from pdplan.workload import Workload

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PROMETHEUS is None, reason="the prometheus binary is not installed (Debian: prometheus)"
    ),
]
RATE = 40.0
BEFORE = 2000  # requests that the engine had served before Prometheus came
SAMPLES = 10


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[SimpleNamespace]:
    """Prometheus, scraping an engine every second that serves 40 requests per second."""
    lab = request.getfixturevalue("module_lab")
    folder = tmp_path_factory.mktemp("prometheus")
    engine, begun = lab.Engine(), time.time()

    def metrics(*_: object) -> tuple[int, dict[str, str], bytes]:
        served = BEFORE + int(RATE * (time.time() - begun))
        return 200, {"Content-Type": "text/plain; version=0.0.4"}, engine.exposition(served).encode()

    with lab.serve(metrics) as target:
        config, port = folder / "prometheus.yml", _free_port()
        job = {"job_name": "vllm", "static_configs": [{"targets": [target.removeprefix("http://")]}]}
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [
                str(PROMETHEUS),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for_samples(PrometheusClient(f"http://127.0.0.1:{port}"), folder)
            yield SimpleNamespace(url=f"http://127.0.0.1:{port}", log=folder / "log")
        finally:
            process.terminate()
            process.wait(timeout=20)
            log.close()


def _wait_for_samples(client: PrometheusClient, folder: Path) -> None:
    """Wait until the server is up and has scraped the engine often enough (it begins when it likes to)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = client.samples("vllm:time_to_first_token_seconds_count", 60.0, client.now_s() - 2.0)
        except InputError:
            found = []
        if found and len(found[0].times_s) >= SAMPLES:
            return
        time.sleep(0.25)
    pytest.fail("Prometheus took no samples: " + (folder / "log").read_text()[-2000:])


def test_rates_lengths_and_latencies_come_back(server: SimpleNamespace) -> None:
    """Means by hand: see test_observe; the four kinds of request take turns: counts are off by 3 at most."""
    seen = observe(PrometheusClient(server.url), 10.0)
    assert seen.engine == "vllm"
    assert seen.scrape_s == pytest.approx(1.0, abs=0.02)
    assert seen.span_s == pytest.approx(9.0, abs=1.1)
    # a sample's time is that of the scrape's begin; the exporter looks at the clock a moment later
    assert seen.arrivals.rate == pytest.approx(RATE, rel=0.02)
    assert seen.requests == pytest.approx(RATE * seen.span_s, abs=6)
    assert seen.requests < BEFORE
    assert seen.prompt.mean == pytest.approx(1325.0, rel=0.01)
    assert seen.output.mean == pytest.approx(95.25, rel=0.01)
    means = {m: law.mean for m, law in seen.latencies.items()}
    assert means == pytest.approx({"ttft": 0.21, "tpot": 0.03, "itl": 12.51 / 377, "e2e": 3.3375}, rel=0.01)
    assert seen.latencies["ttft"].bracket(0.99) == (0.25, 0.5)
    assert seen.prompt.bracket(0.2) == (51.0, 100.0)
    assert seen.prefix_hit == pytest.approx(0.3)
    assert seen.restarts == 0
    # steady arrivals: far below Poisson
    assert seen.arrivals.index_of_dispersion[1.0] < 0.2


def test_the_workload_is_written_and_read(server: SimpleNamespace) -> None:
    seen = observe(PrometheusClient(server.url), 10.0)
    text = workload_text(workload_document(seen, "live"), seen.notes)
    workload = Workload.from_document(yaml.safe_load(text))
    assert workload.prompt.mean == pytest.approx(seen.prompt.mean, rel=1e-6)
    assert workload.output.mean == pytest.approx(seen.output.mean, rel=1e-6)


def test_the_servers_own_words(server: SimpleNamespace) -> None:
    client = PrometheusClient(server.url)
    with pytest.raises(InputError, match=r"refuses the query: .*parse error.*; check --selector"):
        observe(client, 10.0, selector='model_name="m')
    with pytest.raises(InputError, match=r"no series match --selector .*values of model_name there: m$"):
        observe(client, 10.0, selector='model_name="other"')
    with pytest.raises(InputError, match="has none of these in the last 10 s: sglang:"):
        observe(client, 10.0, engine="sglang")
    with pytest.raises(InputError, match="fewer than 3 samples"):
        observe(client, 1.5)
