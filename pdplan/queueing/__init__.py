"""Waiting-time laws: exact, bounded or labelled, one protocol (`pdplan.queueing.law`)."""

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
