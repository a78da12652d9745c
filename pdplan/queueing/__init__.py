"""Waiting-time laws: exact, bounded or labelled, one protocol (`pdplan.queueing.law`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.lazy import exports

if TYPE_CHECKING:
    from pdplan.queueing.abandonment import ErlangA
    from pdplan.queueing.base import little_customers
    from pdplan.queueing.batch_service import BatchService
    from pdplan.queueing.erlang import delay_mean_wait, erlang_b, erlang_c, erlang_c_from_blocking
    from pdplan.queueing.finite_buffer import MG1K, MM1K, mg1k_left_behind, mm1k_number_law
    from pdplan.queueing.gig1 import GIG1, renewal_gaps, round_robin
    from pdplan.queueing.klb import KLB, kingman_mean_wait_s, klb_mean_wait_s, klb_probability_wait
    from pdplan.queueing.lattice import LatticeLaw
    from pdplan.queueing.lattice_sums import convolve, lattice_law, mixture, point_law
    from pdplan.queueing.law import WaitingLaw
    from pdplan.queueing.loss import MMcK
    from pdplan.queueing.md1 import MD1, md1_mean_wait_s, md1_wait_quantile, md1_wait_sf
    from pdplan.queueing.mdc import MDc
    from pdplan.queueing.mg1 import MG1, mg1_mean_wait_s, mg1_wait_quantile_bounds_fast
    from pdplan.queueing.mgc import MGc
    from pdplan.queueing.mgc_means import allen_cunneen, boxma_cohen_huffels, kimura, min_residual_mean
    from pdplan.queueing.mm1 import MM1, mm1_mean_wait_s
    from pdplan.queueing.mmc import MMc
    from pdplan.queueing.modulated import SlowModulated
    from pdplan.queueing.routing import RoutingBracket, jsq_bracket, least_work, power_of_two_bracket
    from pdplan.queueing.service import Atoms, Deterministic, ServiceLaw, lundberg_exponent
    from pdplan.queueing.service_continuous import (
        Erlang,
        Exponential,
        Gamma,
        Hyperexponential,
        Lognormal,
        Mixture,
    )
    from pdplan.queueing.spitzer import mdc_wait_probability_and_mean
    from pdplan.queueing.staffing import RateLimit, Staffing, largest_rate, smallest_servers
    from pdplan.queueing.staffing_erlang import (
        erlang_b_servers,
        erlang_c_servers,
        mmc_servers_for_mean_wait,
        mmc_servers_for_wait_tail,
    )

__all__ = [
    "GIG1",
    "KLB",
    "MD1",
    "MG1",
    "MG1K",
    "MM1",
    "MM1K",
    "Atoms",
    "BatchService",
    "Deterministic",
    "Erlang",
    "ErlangA",
    "Exponential",
    "Gamma",
    "Hyperexponential",
    "LatticeLaw",
    "Lognormal",
    "MDc",
    "MGc",
    "MMc",
    "MMcK",
    "Mixture",
    "RateLimit",
    "RoutingBracket",
    "ServiceLaw",
    "SlowModulated",
    "Staffing",
    "WaitingLaw",
    "allen_cunneen",
    "boxma_cohen_huffels",
    "convolve",
    "delay_mean_wait",
    "erlang_b",
    "erlang_b_servers",
    "erlang_c",
    "erlang_c_from_blocking",
    "erlang_c_servers",
    "jsq_bracket",
    "kimura",
    "kingman_mean_wait_s",
    "klb_mean_wait_s",
    "klb_probability_wait",
    "largest_rate",
    "lattice_law",
    "least_work",
    "little_customers",
    "lundberg_exponent",
    "md1_mean_wait_s",
    "md1_wait_quantile",
    "md1_wait_sf",
    "mdc_wait_probability_and_mean",
    "mg1_mean_wait_s",
    "mg1_wait_quantile_bounds_fast",
    "mg1k_left_behind",
    "min_residual_mean",
    "mixture",
    "mm1_mean_wait_s",
    "mm1k_number_law",
    "mmc_servers_for_mean_wait",
    "mmc_servers_for_wait_tail",
    "point_law",
    "power_of_two_bracket",
    "renewal_gaps",
    "round_robin",
    "smallest_servers",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Atoms": "pdplan.queueing.service",
        "BatchService": "pdplan.queueing.batch_service",
        "Deterministic": "pdplan.queueing.service",
        "Erlang": "pdplan.queueing.service_continuous",
        "ErlangA": "pdplan.queueing.abandonment",
        "Exponential": "pdplan.queueing.service_continuous",
        "GIG1": "pdplan.queueing.gig1",
        "Gamma": "pdplan.queueing.service_continuous",
        "Hyperexponential": "pdplan.queueing.service_continuous",
        "KLB": "pdplan.queueing.klb",
        "LatticeLaw": "pdplan.queueing.lattice",
        "Lognormal": "pdplan.queueing.service_continuous",
        "MD1": "pdplan.queueing.md1",
        "MDc": "pdplan.queueing.mdc",
        "MG1": "pdplan.queueing.mg1",
        "MG1K": "pdplan.queueing.finite_buffer",
        "MGc": "pdplan.queueing.mgc",
        "MM1": "pdplan.queueing.mm1",
        "MM1K": "pdplan.queueing.finite_buffer",
        "MMc": "pdplan.queueing.mmc",
        "MMcK": "pdplan.queueing.loss",
        "Mixture": "pdplan.queueing.service_continuous",
        "RateLimit": "pdplan.queueing.staffing",
        "RoutingBracket": "pdplan.queueing.routing",
        "ServiceLaw": "pdplan.queueing.service",
        "SlowModulated": "pdplan.queueing.modulated",
        "Staffing": "pdplan.queueing.staffing",
        "WaitingLaw": "pdplan.queueing.law",
        "allen_cunneen": "pdplan.queueing.mgc_means",
        "boxma_cohen_huffels": "pdplan.queueing.mgc_means",
        "convolve": "pdplan.queueing.lattice_sums",
        "delay_mean_wait": "pdplan.queueing.erlang",
        "erlang_b": "pdplan.queueing.erlang",
        "erlang_b_servers": "pdplan.queueing.staffing_erlang",
        "erlang_c": "pdplan.queueing.erlang",
        "erlang_c_from_blocking": "pdplan.queueing.erlang",
        "erlang_c_servers": "pdplan.queueing.staffing_erlang",
        "jsq_bracket": "pdplan.queueing.routing",
        "kimura": "pdplan.queueing.mgc_means",
        "kingman_mean_wait_s": "pdplan.queueing.klb",
        "klb_mean_wait_s": "pdplan.queueing.klb",
        "klb_probability_wait": "pdplan.queueing.klb",
        "largest_rate": "pdplan.queueing.staffing",
        "lattice_law": "pdplan.queueing.lattice_sums",
        "least_work": "pdplan.queueing.routing",
        "little_customers": "pdplan.queueing.base",
        "lundberg_exponent": "pdplan.queueing.service",
        "md1_mean_wait_s": "pdplan.queueing.md1",
        "md1_wait_quantile": "pdplan.queueing.md1",
        "md1_wait_sf": "pdplan.queueing.md1",
        "mdc_wait_probability_and_mean": "pdplan.queueing.spitzer",
        "mg1_mean_wait_s": "pdplan.queueing.mg1",
        "mg1_wait_quantile_bounds_fast": "pdplan.queueing.mg1",
        "mg1k_left_behind": "pdplan.queueing.finite_buffer",
        "min_residual_mean": "pdplan.queueing.mgc_means",
        "mixture": "pdplan.queueing.lattice_sums",
        "mm1_mean_wait_s": "pdplan.queueing.mm1",
        "mm1k_number_law": "pdplan.queueing.finite_buffer",
        "mmc_servers_for_mean_wait": "pdplan.queueing.staffing_erlang",
        "mmc_servers_for_wait_tail": "pdplan.queueing.staffing_erlang",
        "point_law": "pdplan.queueing.lattice_sums",
        "power_of_two_bracket": "pdplan.queueing.routing",
        "renewal_gaps": "pdplan.queueing.gig1",
        "round_robin": "pdplan.queueing.gig1",
        "smallest_servers": "pdplan.queueing.staffing",
    },
)
