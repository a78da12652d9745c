"""Prompt and output lengths together: weighted atoms of the pair, with a given correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction
from pdplan.errors import InputError
from pdplan.workload.copula import couple, fit_marginals
from pdplan.workload.law import Array, LengthLaw
from pdplan.workload.strata import Atoms, law_atoms
from pdplan.workload.table_law import sample_law

#: Default numbers of marginal atoms: a few hundred pairs keep a plan in milliseconds.
PROMPT_ATOMS, OUTPUT_ATOMS = 32, 24


@dataclass(frozen=True, eq=False)
class JointLengths:
    """Weighted pairs of lengths.

    Parameters
    ----------
    prompt_tokens, output_tokens : array, shape (n,)
        Lengths of pair i [tok].
    weight : array, shape (n,)
        Probability of pair i [-], summing to 1.

    Examples
    --------
    >>> from pdplan.workload.lengths import length_law
    >>> j = joint_lengths(length_law(1000), length_law({"geometric": {"mean": 200}}))
    >>> round(j.mean(j.prompt_tokens), 6), round(j.mean(j.output_tokens), 6)
    (1000.0, 200.0)
    """

    prompt_tokens: Array
    output_tokens: Array
    weight: Array

    def mean(self, values: Array) -> float:
        """Mean of a function of the lengths, given at the pairs."""
        return float(self.weight @ values)

    @property
    def mean_product(self) -> float:
        """E[L_in L_out] [tok^2]."""
        return self.mean(self.prompt_tokens * self.output_tokens)

    @property
    def correlation(self) -> float:
        """Pearson correlation of the two token counts [-]; 0 where one is constant."""
        x = self.prompt_tokens - self.mean(self.prompt_tokens)
        y = self.output_tokens - self.mean(self.output_tokens)
        scale = np.sqrt(self.mean(x * x) * self.mean(y * y))
        return self.mean(x * y) / float(scale) if scale > 0 else 0.0

    def cached_tokens(self, prefix_hit: float) -> Array:
        """Prompt tokens found in the prefix cache at each pair [tok]: the same share of every prompt."""
        require_fraction("prefix_hit", prefix_hit, open_high=True)
        return prefix_hit * self.prompt_tokens


def joint_lengths(
    prompt: LengthLaw,
    output: LengthLaw,
    length_correlation: float = 0.0,
    *,
    prompt_atoms: int = PROMPT_ATOMS,
    output_atoms: int = OUTPUT_ATOMS,
) -> JointLengths:
    """Return pairs with the two marginal laws and a given correlation.

    Both marginals are made atoms (`law_atoms`), which stay exactly as they are; the pairs are weighted by the
    Gaussian copula whose parameter gives the pairs the wanted correlation.

    Parameters
    ----------
    prompt, output : LengthLaw
        Marginal laws [tok].
    length_correlation : float
        Pearson correlation r of the token counts themselves (not of ranks or logarithms) [-], because it is
        what memory and decode depend on: E[L_in L_out] = E L_in E L_out (1 + r cv_in cv_out).
    prompt_atoms, output_atoms : int
        Most atoms of each marginal, 17 or more.

    Raises
    ------
    InputError
        A correlation that lengths with these laws cannot have.

    Notes
    -----
    A weak Pearson correlation can come
    with a rank correlation of the other sign where the dependence is not monotone; the copula then has the
    mean product and not the ranks. `joint_from_pairs` has both.

    Examples
    --------
    >>> from pdplan.workload.lengths import length_law
    >>> law = length_law({"mean": 1000, "scv": 1.0})
    >>> j = joint_lengths(law, length_law({"geometric": {"mean": 200}}), 0.6)
    >>> round(j.correlation, 6), round(j.mean(j.prompt_tokens), 6)
    (0.6, 1000.0)
    """
    require_fraction("the size of length_correlation", abs(length_correlation))
    x, y = law_atoms(prompt, prompt_atoms), law_atoms(output, output_atoms)
    return _pairs(x, y, couple(x, y, length_correlation).weights)


def joint_from_pairs(
    prompt_tokens: Array,
    output_tokens: Array,
    *,
    prompt_atoms: int = PROMPT_ATOMS,
    output_atoms: int = OUTPUT_ATOMS,
) -> JointLengths:
    """Return a few weighted pairs that stand for a sample of many (a trace).

    The marginals are the atoms of the samples' own laws (means, SCVs and key percentiles kept); the weights
    are the shares of the sample in each cell of ranks, then shifted a little towards the fully ordered
    coupling, or the reverse one, so that E[L_in L_out] is the sample's.

    Parameters
    ----------
    prompt_tokens, output_tokens : array, shape (n,)
        Lengths of each request [tok].

    Raises
    ------
    InputError
        Arrays of different or no length, values that are no token counts.

    Examples
    --------
    >>> rng = np.random.Generator(np.random.Philox(7))
    >>> x = np.ceil(rng.gamma(2.0, 500.0, 5000)); y = np.ceil(0.1 * x + rng.gamma(1.0, 100.0, 5000))
    >>> j = joint_from_pairs(x, y)
    >>> bool(np.isclose(j.mean_product, np.mean(x * y))), len(j.weight) <= 768
    (True, True)
    """
    x, y = np.asarray(prompt_tokens, dtype=float), np.asarray(output_tokens, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(f"{x.size} prompt lengths with {y.size} output lengths: pairs need as many of each")
    a = law_atoms(sample_law(x, "prompt_tokens"), prompt_atoms)
    b = law_atoms(sample_law(y, "output_tokens"), output_atoms)
    if a.values.size == 1 or b.values.size == 1:
        return _pairs(a, b, np.outer(a.weights, b.weights))
    cells = np.zeros((a.values.size, b.values.size))
    np.add.at(cells, (_cell_of_ranks(x, a.weights), _cell_of_ranks(y, b.weights)), 1.0 / x.size)
    # a trace of fewer requests than cells leaves rows empty; a trace of independence fills them
    share = 1.0 / np.sqrt(x.size)
    weights = fit_marginals(
        (1 - share) * cells + share * np.outer(a.weights, b.weights), a.weights, b.weights
    )
    return _pairs(a, b, _with_mean_product(a, b, weights, float(np.mean(x * y))))


def _cell_of_ranks(samples: Array, weights: Array) -> NDArray[np.intp]:
    """Return the atom to which each sample belongs by its rank (ties in the order given)."""
    ranks = np.empty(samples.size)
    ranks[np.argsort(samples, kind="stable")] = (np.arange(samples.size) + 0.5) / samples.size
    cells: NDArray[np.intp] = np.searchsorted(np.cumsum(weights)[:-1], ranks)
    return cells


def _with_mean_product(x: Atoms, y: Atoms, weights: Array, target: float) -> Array:
    """Mix in the ordered (or reverse) coupling until the mean product is ``target``, as far as it goes."""
    product = float(x.values @ weights @ y.values)
    flip = 1 if target > product else -1
    ends_x, ends_y = np.cumsum(x.weights), np.cumsum(y.weights[::flip])
    ends_x[-1] = ends_y[-1] = 1.0
    # measure of the overlap of rank intervals: the north-west corner rule
    high = np.minimum(ends_x[:, None], ends_y[None, :])
    low = np.maximum((ends_x - x.weights)[:, None], (ends_y - y.weights[::flip])[None, :])
    extreme = np.maximum(high - low, 0.0)[:, ::flip]
    reach = float(x.values @ extreme @ y.values) - product
    part = min((target - product) / reach, 1.0) if reach != 0.0 else 0.0
    mixed: Array = (1.0 - part) * weights + part * extreme
    return mixed


def _pairs(x: Atoms, y: Atoms, weights: Array) -> JointLengths:
    """Flatten the grid and leave out pairs without weight."""
    keep = weights.ravel() > 1e-15
    weight = weights.ravel()[keep]
    return JointLengths(
        np.repeat(x.values, y.values.size)[keep],
        np.tile(y.values, x.values.size)[keep],
        weight / weight.sum(),
    )
