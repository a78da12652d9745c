"""Output analysis: warm-up, intervals, sequential stopping, control variates, verdicts on formulas."""

from pdplan.sim.statistics.agreement import AgreementRow, Comparison, Witness, agreement
from pdplan.sim.statistics.batch_means import (
    MeanEstimate,
    batch_means,
    lag1_correlation,
    mean_estimate,
    ratio_estimate,
    replication_estimate,
)
from pdplan.sim.statistics.control_variate import controlled_mean, fast_server_control, lindley_waits
from pdplan.sim.statistics.holm import holm_levels, holm_rejects
from pdplan.sim.statistics.quantiles import (
    QuantileEstimate,
    exceedance_test,
    quantile_estimate,
    quantile_estimates,
)
from pdplan.sim.statistics.sequential import SequentialEstimate, double_until
from pdplan.sim.statistics.warmup import Warmup, mser5

__all__ = [
    "AgreementRow",
    "Comparison",
    "MeanEstimate",
    "QuantileEstimate",
    "SequentialEstimate",
    "Warmup",
    "Witness",
    "agreement",
    "batch_means",
    "controlled_mean",
    "double_until",
    "exceedance_test",
    "fast_server_control",
    "holm_levels",
    "holm_rejects",
    "lag1_correlation",
    "lindley_waits",
    "mean_estimate",
    "mser5",
    "quantile_estimate",
    "quantile_estimates",
    "ratio_estimate",
    "replication_estimate",
]
