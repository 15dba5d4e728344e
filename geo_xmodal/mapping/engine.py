"""A model at work: a window of raw values in, class ids and their probability out."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geo_xmodal.bundle import Bundle
from geo_xmodal.class_shares import ClassShares
from geo_xmodal.errors import ModelMismatchError
from geo_xmodal.mapping.runtimes import RunTile, Runtime
from geo_xmodal.mapping.seen import TILE
from geo_xmodal.networks import Tiling
from geo_xmodal.types import ClassArray, FloatArray, Window

_CUDA_TILE = 512
"""The same on a graphics card, which small tiles would leave idle."""

_DOUBT = 0.005
"""Distance of the two most probable classes below which a pixel is computed again in float32."""

_PATCHES = 1024
"""How many of these at a time."""

_PLAIN = Runtime()


class Classifier:
    """A bundle's model, made ready for mapping.

    Whatever the size of a window, the network sees tiles of one fixed shape, cut from the window's first
    row and column on. So a pixel has the same numbers, to the bit, in any two
    windows that start a whole number of tiles apart, and the same but for rounding in any others.

    The tiles of a network that has a `Tiling` are counted from the first pixel of the scene's grid instead,
    and a pixel has the same numbers, to the bit, in any window. Where tiles overlap, the probabilities of
    both are averaged.

    Args:
        bundle: The model; it is not changed.
        runtime: What runs the network; trees run as they are. With less than float32, pixels whose two most
            probable classes are about as probable are computed again in float32, but for networks that have
            a `Tiling`: there a pixel takes a whole tile.
        threads: Threads for each tile; None leaves the engine's own choice. For torch this sets the calling
            thread's number for everything it runs from then on.
        shares: Class shares that predictions have; None for those that the model has learned.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime = _PLAIN,
        threads: int | None = None,
        shares: ClassShares | None = None,
    ) -> None:
        self.bands = bundle.model.bands
        self.margin = bundle.model.margin
        self._ids = np.array([entry.id for entry in bundle.card.legend], np.uint8)
        self._standardize = copy.deepcopy(bundle.model.standardize).eval()
        network = bundle.model.network
        runtime = runtime.suited(network)
        self.tiling = bundle.model.tiling
        self.tile: int = _CUDA_TILE if runtime.device == "cuda" else getattr(network, "tile", TILE)
        side = self.tile + 2 * self.margin
        if self.tiling is not None:
            self.tile, side = self.tiling.step, self.tiling.image
            self._taper = self.tiling.taper()
        shape = (1, self.bands, side, side)
        self._tile = torch.zeros(shape)
        self._network = runtime.prepare(network, shape, threads, bundle.card.ranges)
        offsets = None if shares is None else shares.offsets
        self._offsets = None if offsets is None else torch.tensor(offsets)
        second_look = runtime.precision != "float32" and self.tiling is None
        self._exact = _PLAIN.prepare(network, shape, threads) if second_look else None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self._ids)

    def classify(
        self,
        values: FloatArray,
        where: npt.NDArray[np.bool_] | None = None,
        window: Window | None = None,
    ) -> tuple[ClassArray, FloatArray]:
        """Class and top-1 probability of every pixel of a window.

        Args:
            values: (band, h + 2m, w + 2m) raw values, NaN where there is no data, `m` = `margin`; for a
                network with a `Tiling` those of `tiling.seen(window)` (`geo_xmodal.mapping.seen`).
            where: (h, w), the pixels that are asked for; None for all. Others may be left at 0 / NaN.
            window: Where the window lies on the scene's grid; only networks with a `Tiling` need it.

        Returns:
            Class ids (h, w), 0 where any band is missing at the pixel itself; and the probability of that
            class (h, w), NaN there. Of equal probabilities the first class of the legend wins. A missing
            neighbour counts as the training mean.

        Raises:
            ModelMismatchError: If `values` has another number of bands, or no pixel inside the margin.
        """
        height, width = self._inner_shape(values, window)
        ids = np.zeros((height, width), np.uint8)
        probability = np.full((height, width), np.nan, np.float32)
        for rows, inside, probabilities in self._computed(values, where, window):
            top, best = probabilities.max(dim=0)
            ids[rows] = np.where(inside, self._ids[best.numpy()], 0)
            probability[rows] = np.where(inside, top.numpy(), np.nan)
        return ids, probability

    def probabilities(
        self,
        values: FloatArray,
        where: npt.NDArray[np.bool_] | None = None,
        window: Window | None = None,
    ) -> FloatArray:
        """Probability of every class at every pixel of a window; its largest are those of `classify`.

        Args:
            values: As for `classify`.
            where: As for `classify`.
            window: As for `classify`.

        Returns:
            (class, h, w), classes in the legend's order; NaN where any band is missing at the pixel itself.

        Raises:
            ModelMismatchError: As for `classify`.
        """
        result = np.full((len(self._ids), *self._inner_shape(values, window)), np.nan, np.float32)
        for rows, inside, probabilities in self._computed(values, where, window):
            result[:, rows] = np.where(inside, probabilities.numpy(), np.nan)
        return result

    def best(self, probabilities: FloatArray) -> tuple[ClassArray, FloatArray]:
        """What `classify` gives, from what `probabilities` gave: the same to the bit."""
        return best_of(probabilities, self._ids)

    def _inner_shape(self, values: FloatArray, window: Window | None) -> tuple[int, int]:
        """Rows and columns of a window without what is around it."""
        if self.tiling is not None:
            if window is None:
                raise ModelMismatchError("the model maps in tiles of the scene's grid: give the window")
            seen = self.tiling.seen(window)
            if values.shape != (self.bands, seen.height, seen.width):
                raise ModelMismatchError(
                    f"window of shape {values.shape}; the model expects ({self.bands}, {seen.height}, "
                    f"{seen.width}) for {window}"
                )
            return window.height, window.width
        m = self.margin
        if values.ndim != 3 or values.shape[0] != self.bands or min(values.shape[1:]) <= 2 * m:
            raise ModelMismatchError(
                f"window of shape {values.shape}; the model expects ({self.bands}, > {2 * m}, > {2 * m})"
            )
        return values.shape[1] - 2 * m, values.shape[2] - 2 * m

    def _computed(
        self, values: FloatArray, where: npt.NDArray[np.bool_] | None, window: Window | None
    ) -> Iterator[tuple[slice, npt.NDArray[np.bool_], Tensor]]:
        """Rows with pixels to compute: which rows, which pixels, and probabilities (class, h, w)."""
        if self.tiling is None or window is None:
            yield from self._computed_strips(values, where)
            return
        inner = window.seen_from(self.tiling.seen(window))
        centre = values[(slice(None), *inner.slices)]
        valid: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(centre), axis=0)
        if where is not None:
            valid = valid & where
        if valid.any():
            with torch.inference_mode():
                yield slice(0, window.height), valid, self._compute_tiles(self.tiling, values, valid, window)

    def _compute_tiles(
        self, tiling: Tiling, values: FloatArray, valid: npt.NDArray[np.bool_], window: Window
    ) -> Tensor:
        """Probabilities (class, h, w) from raw values of `tiling.seen(window)`.

        All but sums and products of probabilities happens in tiles of one shape: functions such as a
        logarithm may round otherwise at other places of an array.
        """
        seen = tiling.seen(window)
        probabilities = torch.zeros((len(self._ids), window.height, window.width))
        for tile in tiling.tiles(window):
            common = tile.common(window)
            if common is None:
                continue
            inside, part = common.seen_from(window).slices, common.seen_from(tile).slices
            if not valid[inside].any():
                continue
            image = tile.padded(tiling.crop).seen_from(seen).slices
            self._tile.copy_(torch.from_numpy(values[(slice(None), *image)].copy())[None])
            logits = self._network(self._standardize(self._tile))[0]
            found = self._with_shares(logits.contiguous()).softmax(dim=0)
            probabilities[(slice(None), *inside)] += self._taper[part] * found[(slice(None), *part)]
        return probabilities

    def _computed_strips(
        self, values: FloatArray, where: npt.NDArray[np.bool_] | None
    ) -> Iterator[tuple[slice, npt.NDArray[np.bool_], Tensor]]:
        """Every row of tiles with pixels to compute: its rows, which pixels, probabilities (class, h, w)."""
        m = self.margin
        height, width = self._inner_shape(values, None)
        centre = values[:, m : m + height, m : m + width]
        valid: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(centre), axis=0)
        if where is not None:
            valid = valid & where
        for start in range(0, height, self.tile):
            rows = slice(start, min(start + self.tile, height))
            if valid[rows].any():
                with torch.inference_mode():
                    part = torch.from_numpy(values[:, rows.start : rows.stop + 2 * m].copy())
                    yield rows, valid[rows], self._compute_strip(self._standardize(part[None]), valid[rows])

    def _compute_strip(self, strip: Tensor, inside: npt.NDArray[np.bool_]) -> Tensor:
        """Probabilities (class, h, w) from standardised (1, band, h + 2m, w + 2m), tile by tile."""
        height, width = inside.shape
        rows = height + 2 * self.margin
        probabilities = torch.zeros((len(self._ids), height, width))
        for start in range(0, width, self.tile):
            stop = min(start + self.tile, width)
            if inside[:, start:stop].any():
                part = strip[:, :, :, start : stop + 2 * self.margin]
                # the rest, an earlier tile's, reaches no pixel of this one
                self._tile[:, :, :rows, : part.shape[3]] = part
                logits = self._network(self._tile)[0, :, :height, : stop - start]
                probabilities[:, :, start:stop] = self._with_shares(logits).softmax(dim=0)
        if self._exact is not None:
            self._decide(strip, inside, probabilities, self._exact)
        return probabilities

    def _decide(
        self, strip: Tensor, inside: npt.NDArray[np.bool_], probabilities: Tensor, exact: RunTile
    ) -> None:
        """Compute pixels in doubt again, each from the patch around it."""
        best = probabilities.topk(min(2, len(self._ids)), dim=0).values
        doubtful = (best[0] - best[-1] < _DOUBT) & torch.from_numpy(inside)
        side = 2 * self.margin + 1
        patches = strip[0].unfold(1, side, 1).unfold(2, side, 1)
        for places in torch.split(doubtful.nonzero(), _PATCHES):
            rows, cols = places.T
            chosen = patches[:, rows, cols].transpose(0, 1)
            probabilities[:, rows, cols] = self._with_shares(exact(chosen)[:, :, 0, 0].T).softmax(dim=0)

    def _with_shares(self, logits: Tensor) -> Tensor:
        """Logits (class, ...) as they are with the class shares that are asked for."""
        if self._offsets is None:
            return logits
        return logits + self._offsets.view(-1, *(1,) * (logits.ndim - 1))


def best_of(probabilities: FloatArray, ids: ClassArray) -> tuple[ClassArray, FloatArray]:
    """The most probable class of every pixel, and its probability.

    Args:
        probabilities: (class, ...), NaN where there is no data.
        ids: (class,) class ids.

    Returns:
        Class ids (...), 0 where there is no data, and probabilities (...), NaN there.
    """
    missing = np.isnan(probabilities[0])
    found: ClassArray = np.where(missing, 0, ids[probabilities.argmax(axis=0)]).astype(np.uint8)
    return found, probabilities.max(axis=0)
