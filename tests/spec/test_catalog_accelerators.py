"""Accelerators against figures typed from their datasheets, and against each other."""

from __future__ import annotations

import pytest

from pdplan.spec.catalog import catalog_names, load_accelerator

MIB = 2**20


@pytest.mark.parametrize(
    ("name", "memory_bytes", "memory_tb_per_s", "bf16_tflops", "fp8_tflops", "scale_up_gb_per_s", "power_w"),
    [
        # NVIDIA A100 datasheet 2021: 2039 GB/s, 312 TFLOPS dense, NVLink 600 GB/s both ways, 400 W, no fp8
        ("a100-80gb", 81920 * MIB, 2.039, 312.0, None, 300.0, 400.0),
        # NVIDIA H100 datasheet: 3.35 TB/s, 1979 sparse = 989.4 dense, NVLink 900 GB/s both directions, 700 W
        ("h100-sxm-80gb", 81559 * MIB, 3.35, 989.4, 1978.9, 450.0, 700.0),
        ("h200-sxm-141gb", 143771 * MIB, 4.8, 989.4, 1978.9, 450.0, 700.0),
        # H800: H100 with NVLink cut to 400 GB/s both directions
        ("h800-80gb", 81559 * MIB, 3.35, 989.4, 1978.9, 200.0, 700.0),
        ("h20-96gb", 97871 * MIB, 4.0, 148.0, 296.0, 450.0, 400.0),
        # HGX B200 at 1000 W: 4.5 PFLOPS sparse bf16, NVLink 1.8 TB/s both directions
        ("b200-sxm-180gb", 183359 * MIB, 7.67, 2250.0, 4500.0, 900.0, 1000.0),
        ("gb200", 189471 * MIB, 8.0, 2500.0, 5000.0, 900.0, 1200.0),
        ("l4", 23034 * MIB, 0.3, 121.0, 242.0, 32.0, 72.0),
        ("l40s", 46068 * MIB, 0.864, 362.05, 733.0, 32.0, 350.0),
        # AMD MI300X data sheet: 5.3 TB/s, 1307.4 and 2614.9 dense, 7 links x 128 GB/s both directions, 750 W
        ("mi300x", 192 * 2**30, 5.3, 1307.4, 2614.9, 448.0, 750.0),
        ("mi355x", 288 * 2**30, 8.0, 2516.6, 5033.2, 537.6, 1400.0),
    ],
)
def test_datasheet_figures(
    name: str,
    memory_bytes: float,
    memory_tb_per_s: float,
    bf16_tflops: float,
    fp8_tflops: float | None,
    scale_up_gb_per_s: float,
    power_w: float,
) -> None:
    accelerator = load_accelerator(name)
    assert accelerator.memory_bytes == memory_bytes
    assert accelerator.memory_bytes_per_s == pytest.approx(memory_tb_per_s * 1e12)
    assert accelerator.flops_per_s["bf16"] == pytest.approx(bf16_tflops * 1e12)
    assert accelerator.flops_per_s.get("fp8") == (
        None if fp8_tflops is None else pytest.approx(fp8_tflops * 1e12)
    )
    assert accelerator.scale_up_bytes_per_s == pytest.approx(scale_up_gb_per_s * 1e9)
    assert accelerator.power_w == power_w


@pytest.mark.parametrize("name", catalog_names("accelerators"))
def test_rates_are_dense_and_in_proportion(name: str) -> None:
    """A sparse figure among dense ones would show as a factor of four between neighbouring widths."""
    flops = load_accelerator(name).flops_per_s
    assert flops["bf16"] == flops["fp16"]
    assert 2 <= flops["bf16"] / flops["fp32"] <= 40
    for narrow in ("fp8", "int8"):
        if narrow in flops:
            assert 1.95 <= flops[narrow] / flops["bf16"] <= 2.05
    if "fp4" in flops:
        # Blackwell Ultra's fp4 is three times its fp8 rate
        assert 1.95 <= flops["fp4"] / flops["fp8"] <= 3.05
        assert flops["mxfp4"] == flops["fp4"]


@pytest.mark.parametrize("name", catalog_names("accelerators"))
def test_server_and_price_are_plausible(name: str) -> None:
    accelerator = load_accelerator(name)
    assert accelerator.gpus_per_node in (4, 8)
    assert accelerator.scale_up_gpus in (8, 72)
    assert 1 <= accelerator.nics_per_node <= 8
    assert 12.5e9 <= accelerator.nic_bytes_per_s <= 100e9
    assert 0.1 < accelerator.price_usd_per_hour < 20
    assert accelerator.price_usd_per_hour == accelerator.price.usd_per_hour


def test_only_parts_without_a_quote_are_estimated() -> None:
    estimated = {n for n in catalog_names("accelerators") if load_accelerator(n).price.estimated}
    assert estimated == {"a100-40gb", "gb300", "h20-3e-141gb", "h20-96gb", "h800-80gb", "mi355x"}


def test_device_carries_the_same_peaks() -> None:
    accelerator = load_accelerator("gb200")
    device = accelerator.device
    assert device.flops_per_s == accelerator.flops_per_s
    assert device.memory_bytes == accelerator.memory_bytes
    assert device.memory_bytes_per_s == accelerator.memory_bytes_per_s
    assert (device.scale_up_bytes_per_s, device.scale_up_gpus) == (900e9, 72)
