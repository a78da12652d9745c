"""Links: nominal rates, the law t0 + bytes / min(NICs x rate, cap), and the fits of the measured ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.serving.transfer import link_seconds
from pdplan.spec.catalog import catalog_names, load_link
from pdplan.spec.link import Link

TOOL = Path(__file__).parents[2] / "tools" / "fit_links.py"


@pytest.fixture(scope="module")
def fit_links() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_links", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["fit_links"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "kind", "gb_per_s"),
    [
        ("eth-10g", "ethernet", 1.25),
        ("eth-100g", "ethernet", 12.5),
        ("ib-hdr-200g", "rdma", 25.0),
        ("ib-ndr-400g", "rdma", 50.0),
        ("ib-xdr-800g", "rdma", 100.0),
        ("roce-400g", "rdma", 50.0),
        ("nvlink3", "nvlink", 300.0),
        ("nvlink4", "nvlink", 450.0),
        ("nvlink5", "nvlink", 900.0),
        # PCI-SIG: 16 lanes x 8, 16, 32 GT/s x 128/130; generation 6: 64 GT/s x 242/256
        ("pcie-gen3-x16", "pcie", 15.75),
        ("pcie-gen4-x16", "pcie", 31.5),
        ("pcie-gen5-x16", "pcie", 63.0),
        ("pcie-gen6-x16", "pcie", 121.0),
    ],
)
def test_port_rates(name: str, kind: str, gb_per_s: float) -> None:
    link = load_link(name)
    assert link.kind == kind
    assert link.bytes_per_s == pytest.approx(gb_per_s * 1e9)
    assert link.bandwidth_bytes_per_s() == link.bytes_per_s
    assert link.bandwidth_bytes_per_s(nics=4) == 4 * link.bytes_per_s


@pytest.mark.parametrize("name", catalog_names("links"))
def test_start_up_is_small_and_positive(name: str) -> None:
    assert 0 < load_link(name).t0_s < 0.01


def test_transfer_is_start_up_plus_bytes_over_bandwidth() -> None:
    link = load_link("ib-ndr-400g")
    assert link.transfer_s(50e9) == pytest.approx(1.0 + link.t0_s)
    assert link.transfer_s(50e9, nics=8) == pytest.approx(0.125 + link.t0_s)
    assert link.transfer_s(0.0) == link.t0_s
    np.testing.assert_allclose(link.transfer_s(np.array([0.0, 50e9])), [link.t0_s, 1.0 + link.t0_s])
    # 256 MiB at 200 Gb/s without start-up: 10.7 ms
    assert link_seconds(256 * 2**20, 200e9 / 8) == pytest.approx(0.0107, rel=0.005)


def test_software_cap_binds_once_the_ports_outrun_it() -> None:
    link = load_link("mooncake-h800-8xcx7")
    assert link.nics_default == 8
    assert link.bandwidth_bytes_per_s(nics=4) == 4 * 25e9
    assert link.bandwidth_bytes_per_s() == 146.1e9 < 8 * 25e9


@pytest.mark.parametrize("nics", [0, -1])
def test_a_link_needs_a_port(nics: int) -> None:
    with pytest.raises(InputError, match="nics"):
        load_link("nvlink4").bandwidth_bytes_per_s(nics)


def test_negative_payload_is_refused() -> None:
    with pytest.raises(InputError, match="payload_bytes"):
        load_link("nvlink4").transfer_s(-1.0)


@pytest.mark.parametrize(
    ("name", "rms", "worst"), [("mooncake-h800-8xcx7", 0.041, 0.070), ("mooncake-h20-4x400gbe", 0.029, 0.065)]
)
def test_measured_links_are_the_least_squares_fit(
    name: str, rms: float, worst: float, fit_links: ModuleType
) -> None:
    link = load_link(name)
    payload_bytes, milliseconds = fit_links.LINKS[name]
    found = fit_links.fit(payload_bytes, milliseconds)
    assert link.t0_s == pytest.approx(found.t0_s, rel=0.002)
    assert link.software_cap_bytes_per_s == pytest.approx(found.cap_bytes_per_s, rel=0.002)
    # the residuals that the notes report, seen through the Link itself
    errors = link.transfer_s(np.array(payload_bytes, dtype=float)) / (np.array(milliseconds) / 1e3) - 1
    assert float(np.sqrt(np.mean(errors**2))) == pytest.approx(rms, abs=0.0006)
    assert float(np.max(np.abs(errors))) == pytest.approx(worst, abs=0.0006)


@pytest.mark.parametrize(
    ("name", "unit", "published"),
    [
        # the source's own bandwidth column, which ties its units down: GiB/s for vLLM, GB/s for SGLang
        ("mooncake-h800-8xcx7", 2**30, (36.53, 60.78, 78.73, 95.23, 112.88, 119.00, 127.57, 137.09, 142.25)),
        ("mooncake-h20-4x400gbe", 1e9, (23.79, 38.27, 66.18, 99.47, 122.66, 144.05, 155.26, 161.19, 164.33)),
    ],
)
def test_payloads_reproduce_the_published_bandwidths(
    name: str, unit: float, published: tuple[float, ...], fit_links: ModuleType
) -> None:
    payload_bytes, milliseconds = fit_links.LINKS[name]
    ours = np.array(payload_bytes) / (np.array(milliseconds) / 1e3) / unit
    # times have two decimals, so 0.54 ms is known to 1%
    np.testing.assert_allclose(ours, published, rtol=0.01)


def test_defaults_of_a_link_without_cap() -> None:
    link = Link.model_validate(
        {
            "name": "x",
            "kind": "rdma",
            "bandwidth": "100 Gb/s",
            "startup": "5 us",
            "sources": [{"what": "made up", "url": "https://example.org", "checked": "2026-11-20"}],
        }
    )
    assert (link.nics_default, link.software_cap_bytes_per_s, link.bytes_per_s) == (1, None, 12.5e9)
