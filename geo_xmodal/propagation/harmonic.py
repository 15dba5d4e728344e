"""Label propagation: where the paper's loop ends, solved instead of iterated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from geo_xmodal.errors import LabelError
from geo_xmodal.propagation.graph import NeighbourGraph
from geo_xmodal.types import FloatArray, IntArray

Balance = Literal["none", "labelled"]
"""Leave class shares as they come out, or bring them to the shares of the labels."""

Table = npt.NDArray[np.float64]

HALF = 0.5
"""At the solution the classes of a sample sum to 1, or to 0 where no label reaches."""


@dataclass(frozen=True)
class Propagation:
    """What every sample is likely to be.

    Attributes:
        soft: (n, classes) shares that sum to 1, a labelled sample's its own label; all 0 if not reached.
        reached: (n,) whether labels came here: labelled itself, or joined to a label by a path of neighbours
            with similarities that are not too faint for the solver to carry anything.
        iterations: steps of the solver.
        converged: whether it came to `rtol` within the steps allowed.
    """

    soft: FloatArray
    reached: npt.NDArray[np.bool_]
    iterations: int
    converged: bool


def propagate(
    graph: NeighbourGraph,
    label: npt.ArrayLike,
    classes: int,
    *,
    balance: Balance = "none",
    rtol: float = 1e-6,
    max_iterations: int = 1000,
) -> Propagation:
    """Spreads labels over a graph until every sample agrees with its neighbours.

    X-ModalNet (Hong et al. 2020, section 3.1.4) repeats Y <- P Y with P the rows of the similarities W over
    their sums (Eq. 2) and the labelled rows of Y reset, until nothing changes. For symmetric W that ends at
    the harmonic solution (D - W)_uu F = W_ul Y_l (Zhu, Ghahramani and Lafferty 2003), which is solved here by
    conjugate gradients with D as preconditioner, all classes at once.

    Samples that share a node are taken as the paper's graph of all samples has them: each its own sample,
    joined to the others by weight 1. A copy of a labelled sample leans to its label and to its neighbours.

    A sample that no path of neighbours joins to a label is not `reached` and has no class: to attach it to
    the nearest label would hide that nothing is known, so what to do with it is left to the caller.

    Args:
        graph: of n samples.
        label: (n,) class index from 0, or -1 where unknown.
        classes: how many.
        balance: "none" as in the paper. "labelled" rescales the classes so that the unlabelled samples have
            in sum the class shares of the labels (class mass normalisation, Zhu et al. 2003): of
            use only if labels were drawn at random, and harmful where they were drawn equally from classes
            of different frequency, as in Berlin.
        rtol: residual at which to stop, relative to the right-hand side, of every class.
        max_iterations: steps after which to stop anyway.

    Returns:
        Soft labels of all samples.

    Raises:
        LabelError: labels that do not fit the graph or `classes`, or none at all.
    """
    label = _checked(label, len(graph.node), classes)
    known = np.flatnonzero(label >= 0)
    given = np.zeros((graph.weights.shape[0], classes))
    np.add.at(given, (graph.node[known], label[known]), 1.0)
    copies = np.bincount(graph.node)[:, None].astype(np.float64)
    labelled = given.sum(axis=1, keepdims=True)
    mass, iterations, converged = _solve(
        graph.weights,
        free=copies - labelled,
        degree=graph.weights @ copies + labelled,
        pull=graph.weights @ given + given,
        rtol=rtol,
        max_iterations=max_iterations,
    )
    arrived = mass.sum(axis=1) > HALF
    soft = _shares(np.where(arrived[:, None], mass, 0.0))[graph.node]
    soft[known] = np.eye(classes)[label[known]]
    if balance == "labelled":
        unknown = label < 0
        soft[unknown] = _with_mass(soft[unknown], np.bincount(label[known], minlength=classes))
    return Propagation(soft.astype(np.float32), arrived[graph.node] | (label >= 0), iterations, converged)


def _checked(label: npt.ArrayLike, n: int, classes: int) -> IntArray:
    array = np.asarray(label)
    if array.shape != (n,) or not np.issubdtype(array.dtype, np.integer):
        raise LabelError(
            f"labels must be {n} integers, one a sample, got {array.dtype} of shape {array.shape}"
        )
    if array.min() < -1 or array.max() >= classes:
        raise LabelError(
            f"labels must lie from 0 to {classes - 1} ({classes} classes) or be -1 where unknown, "
            f"got {array.min()} to {array.max()}"
        )
    if array.max() < 0:
        raise LabelError(f"none of {n} samples has a label: there is nothing to propagate")
    return array.astype(np.int64)


def _solve(
    weights: sparse.csr_array, free: Table, degree: Table, pull: Table, rtol: float, max_iterations: int
) -> tuple[Table, int, bool]:
    """The harmonic solution at every node, for the unlabelled samples there.

    The u unlabelled samples at a node have one answer f: degree f - sum_v w_v u_v f_v = pull, u times over.
    In x = sqrt(u degree) f the matrix is symmetric with 1 on the diagonal. Where no label reaches it is
    singular; but there pull is 0, and x stays 0.

    Args:
        weights: (nodes, nodes) similarities.
        free: (nodes, 1) unlabelled samples at each node.
        degree: (nodes, 1) similarities to all samples but the unlabelled ones of the same node, in sum.
        pull: (nodes, classes) similarities to the labelled samples of each class, in sum.
        rtol: of the solver.
        max_iterations: of the solver.

    Returns:
        Solution f (nodes, classes), 0 where all samples are labelled; steps; whether all classes converged.
    """
    scale = np.sqrt(_ratio(free, degree))
    scaled = np.repeat(scale[:, 0], np.diff(weights.indptr))
    scaled *= weights.data
    scaled *= scale[weights.indices, 0]
    coupling = sparse.csr_array((scaled, weights.indices, weights.indptr), weights.shape)
    x, iterations, converged = _conjugate_gradients(coupling, scale * pull, rtol, max_iterations)
    return _ratio(x, np.sqrt(free * degree)), iterations, converged


def _conjugate_gradients(
    coupling: sparse.csr_array, right: Table, rtol: float, max_iterations: int
) -> tuple[Table, int, bool]:
    """Solves x - `coupling` x = `right`, each column for itself; they share the product with the matrix.

    Everything is done in place: at half a million rows fresh memory costs more than the sums in it.
    """
    x = np.zeros_like(right)
    residual, direction, scratch = right.copy(), right.copy(), np.empty_like(right)
    size = _dots(residual, residual)
    wanted = rtol**2 * size
    iterations = 0
    while (size > wanted).any() and iterations < max_iterations:
        product = coupling @ direction
        np.subtract(direction, product, out=product)
        step = _ratio(size, _dots(direction, product))
        x += np.multiply(direction, step, out=scratch)
        residual -= np.multiply(product, step, out=scratch)
        before, size = size, _dots(residual, residual)
        direction *= _ratio(size, before)
        direction += residual
        iterations += 1
    return x, iterations, not (size > wanted).any()


def _dots(a: Table, b: Table) -> Table:
    """Column by column; not by BLAS, whose sums depend on the number of threads."""
    return np.asarray(np.einsum("ij,ij->j", a, b))


def _ratio(a: Table, b: Table) -> Table:
    """The ratio a / b, and 0 where b is 0."""
    b = np.broadcast_to(b, a.shape)
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _shares(mass: Table) -> Table:
    """Rows that sum to 1; a row of zeros stays."""
    mass = np.maximum(mass, 0.0)
    return _ratio(mass, mass.sum(axis=1, keepdims=True))


def _with_mass(soft: Table, wanted: IntArray) -> Table:
    """Class mass normalisation: classes rescaled to masses in the ratio `wanted`, then rows to sums of 1."""
    return _shares(soft * _ratio(wanted.astype(np.float64), soft.sum(axis=0)))
