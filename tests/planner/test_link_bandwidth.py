"""A stated bandwidth of the link stands in place of the catalog's."""

from __future__ import annotations

import pytest

from pdplan.errors import ScenarioError
from pdplan.planner import size
from pdplan.planner.problem import assemble
from pdplan.spec.builtin import builtin_scenario


def test_stated_bandwidth_is_that_of_one_port() -> None:
    # 8 NICs of 100 Gb/s shared by 8 GPUs: a TP4 instance has 4 of them, 4 x 12.5 GB/s
    problem = assemble(builtin_scenario(("link_bandwidth=100 Gb/s",)))
    tp4 = next(o for o in problem.options("prefill") if o.tp == 4)
    assert tp4.link_bytes_per_s == pytest.approx(50e9)
    assert problem.link.name == "ib-ndr-400g"


def test_stated_bandwidth_is_not_held_under_a_measured_software_cap() -> None:
    capped = assemble(builtin_scenario(("link=mooncake-h800-8xcx7",))).link
    stated = assemble(builtin_scenario(("link=mooncake-h800-8xcx7", "link_bandwidth=800 Gb/s"))).link
    assert stated.bytes_per_s == 100e9
    assert stated.software_cap_bytes_per_s is None
    assert stated.t0_s == capped.t0_s


def test_the_catalogs_own_bandwidth_stated_changes_nothing() -> None:
    own, stated = size(builtin_scenario()), size(builtin_scenario(("link_bandwidth=400 Gb/s",)))
    assert stated.fleet.document() == own.fleet.document()


@pytest.mark.parametrize("value", ["0 Gb/s", "-1 Gb/s", "fast", ".nan"])
def test_no_bandwidth_is_refused(value: str) -> None:
    with pytest.raises(ScenarioError, match="link_bandwidth"):
        builtin_scenario((f"link_bandwidth={value}",))
