"""A multispectral sensor seen through an imaging spectrometer: spectral responses as weights of HSI bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from geo_xmodal.errors import ResponseError
from geo_xmodal.simulate.noise import Floats
from geo_xmodal.simulate.sampling import FWHM_TO_SIGMA
from geo_xmodal.types import FloatArray

MIN_COVERAGE = 0.9
"""Share of a response's integral that good HSI bands must cover."""

_GAP = 3.0
"""Neighbouring good bands further apart than this many median band distances leave a gap between them."""

_NEGATIVE = -0.01
"""Measured responses have noise around zero; below this share of the peak it is no noise."""

_MAX_VALUES = 2**24
"""Bands times wavelengths; a real sensor has some ten thousand."""

_TAIL, _STEPS = 2.0, 64
"""A Gaussian response is sampled to 2 FWHM on either side (1.5e-5 of its peak), at 64 steps."""


@dataclass(frozen=True, eq=False)
class SpectralResponse:
    """Relative spectral response functions of a sensor, linear between the wavelengths given, zero outside.

    Attributes:
        names: Of the bands.
        wavelengths: (wavelength,) nanometres, rising.
        response: (band, wavelength), any scale, not negative (noise around zero is set to zero).
        sensor: In words; empty if not known.

    Raises:
        ResponseError: Shapes that do not fit, wavelengths that do not rise, values that are no response.
    """

    names: tuple[str, ...]
    wavelengths: Floats
    response: Floats
    sensor: str = ""

    def __post_init__(self) -> None:
        nm, response = np.asarray(self.wavelengths, np.float64), np.asarray(self.response, np.float64)
        if not self.names or response.shape != (len(self.names), len(nm)):
            raise ResponseError(
                f"spectral response: {len(self.names)} names and {len(nm)} wavelengths for an array of "
                f"{response.shape}, expected (band, wavelength)"
            )
        if not (np.isfinite(nm).all() and nm[0] > 0 and (np.diff(nm) > 0).all()):
            raise ResponseError("spectral response: wavelengths must be positive and rise")
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ResponseError(f"spectral response: band {twice!r} comes twice")
        for name, values in zip(self.names, response, strict=True):
            if not np.isfinite(values).all() or values.min() < _NEGATIVE * values.max():
                raise ResponseError(f"spectral response of {name!r}: expected numbers from 0 up")
        object.__setattr__(self, "wavelengths", nm)
        object.__setattr__(self, "response", np.maximum(response, 0.0))
        empty = [name for name, total in zip(self.names, self.integrals, strict=True) if not total > 0]
        if empty:
            raise ResponseError(f"spectral response of {empty[0]!r}: is zero everywhere")

    @property
    def integrals(self) -> Floats:
        """(band,) area under each response."""
        return np.asarray(np.trapezoid(self.response, self.wavelengths, axis=1))

    @property
    def centres(self) -> Floats:
        """(band,) response-weighted mean wavelength, nanometres."""
        nm = self.wavelengths
        left, right = _with_lines(nm, self.response)
        return np.asarray((left @ nm[:-1] + right @ nm[1:]) / self.integrals)

    def at(self, wavelengths: Floats) -> Floats:
        """(band, wavelength) response at other wavelengths."""
        rows = [np.interp(wavelengths, self.wavelengths, row, left=0.0, right=0.0) for row in self.response]
        return np.stack(rows)

    def select(self, names: Sequence[str]) -> SpectralResponse:
        """The bands `names`, in that order; a name's first word (`B8A` of `B8A - Narrow NIR`) will do.

        Raises:
            ResponseError: No band, or more than one, has such a name.
        """
        return self._taken([self._index(name) for name in names])

    def where(self, chosen: npt.NDArray[np.bool_]) -> SpectralResponse:
        """The bands (band,) that are true."""
        return self._taken(np.flatnonzero(chosen).tolist())

    def _taken(self, index: Sequence[int]) -> SpectralResponse:
        names = tuple(self.names[i] for i in index)
        return SpectralResponse(names, self.wavelengths, self.response[list(index)], self.sensor)

    def _index(self, name: str) -> int:
        whole = [i for i, known in enumerate(self.names) if known == name]
        found = whole or [i for i, known in enumerate(self.names) if known.split()[0] == name]
        if len(found) != 1:
            raise ResponseError(
                f"{'no' if not found else 'more than one'} band {name!r} among the spectral responses; "
                f"bands: {', '.join(self.names)}"
            )
        return found[0]


def joined(curves: Sequence[tuple[str, Floats, Floats]], sensor: str = "") -> SpectralResponse:
    """Responses given on wavelengths of their own: (name, rising wavelengths in nm, values) of each band.

    Raises:
        ResponseError: Too many wavelengths, or curves that are no responses.
    """
    ends = [(np.min(nm), np.max(nm)) for _, nm, _ in curves]
    # a response that is not zero at its own ends falls at once, not on the way to another band's wavelengths
    beyond = [(np.nextafter(first, -np.inf), np.nextafter(last, np.inf)) for first, last in ends]
    common = np.unique(np.concatenate([*(nm for _, nm, _ in curves), *beyond]))
    if len(common) * len(curves) > _MAX_VALUES:
        raise ResponseError(
            f"spectral responses: {len(curves)} bands at {len(common)} different wavelengths, "
            f"expected at most {_MAX_VALUES} values in all; give them on common wavelengths"
        )
    values = [np.interp(common, nm, response, left=0.0, right=0.0) for _, nm, response in curves]
    return SpectralResponse(tuple(name for name, _, _ in curves), common, np.stack(values), sensor)


def gaussian_response(
    centres: Sequence[float], widths: Sequence[float], names: Sequence[str] | None = None
) -> SpectralResponse:
    """Gaussian responses by centre and full width at half maximum, nanometres.

    Raises:
        ResponseError: No bands, as many widths as centres are not given, or one is not positive.
    """
    if not len(centres) or len(centres) != len(widths) or not min(*centres, *widths) > 0:
        raise ResponseError(
            f"Gaussian responses: {len(centres)} centres and {len(widths)} widths, "
            "expected as many of both, all above 0 nm"
        )
    names = names if names is not None else [f"{centre:g} nm" for centre in centres]
    offset = np.linspace(-_TAIL, _TAIL, _STEPS + 1)
    shape = np.exp(-0.5 * (offset / FWHM_TO_SIGMA) ** 2)
    return joined(
        [
            (name, centre + width * offset, shape)
            for name, centre, width in zip(names, centres, widths, strict=True)
        ]
    )


def band_weights(
    response: SpectralResponse, wavelengths_nm: npt.ArrayLike, good: npt.NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Weights of HSI bands in each band of `response`, and how much of it they cover.

    A spectrum is taken as linear between the centres of its good bands, and the weight of a band is the
    integral of the response over what that band contributes (exact for responses that are linear between
    their samples; with dense bands it is response times band distance). So a flat spectrum stays flat
    and a sloped one is seen at the response's centroid, whatever the order, spacing or overlap of the
    bands. Nothing is drawn across a gap of more than three median band distances: half a band distance
    beyond the bands at its edges, and at both ends of the spectrum, counts as covered.

    Args:
        response: Of the target sensor.
        wavelengths_nm: (HSI band,) centres in any order; bands of one wavelength share its weight.
        good: (HSI band,) which bands to use (default: all).

    Returns:
        Weights (band, HSI band) that sum to 1 over the HSI bands (to 0 where nothing is covered), and the
        covered share (band,) of each response's integral.

    Raises:
        ResponseError: Fewer than two different wavelengths, or ones that are no numbers above 0.
    """
    nm = np.asarray(wavelengths_nm, np.float64)
    if not (np.isfinite(nm).all() and (nm > 0).all() and len(np.unique(nm)) > 1):
        raise ResponseError(
            "the HSI needs at least two different band wavelengths in nanometres, all above 0"
        )
    distance = float(np.median(np.diff(np.unique(nm))))
    used = np.flatnonzero(np.ones(len(nm), np.bool_) if good is None else good)
    centres, place, shared = np.unique(nm[used], return_inverse=True, return_counts=True)
    area = np.zeros((len(response.names), len(centres)))
    gaps = np.flatnonzero(np.diff(centres) > _GAP * distance) + 1
    for run in np.split(np.arange(len(centres)), gaps):
        if len(run):
            area[:, run] = _areas(response, centres[run], distance / 2)
    covered = area.sum(axis=1)
    weights = np.zeros((len(response.names), len(nm)))
    whole = np.where(covered > 0, covered, 1.0)
    weights[:, used] = (area / shared)[:, place] / whole[:, np.newaxis]
    return weights, covered / response.integrals


def _areas(response: SpectralResponse, centres: Floats, reach: float) -> Floats:
    """(band, HSI band) integral of response times the hat function of each HSI band of a run."""
    first, last = centres[0] - reach, centres[-1] + reach
    inside = response.wavelengths[(response.wavelengths > first) & (response.wavelengths < last)]
    nm = np.unique(np.concatenate([inside, centres, [first, last]]))
    curve = response.at(nm)
    below = np.clip(np.searchsorted(centres, nm, side="right") - 1, 0, max(len(centres) - 2, 0))
    above = np.minimum(below + 1, len(centres) - 1)
    between = np.where(above > below, centres[above] - centres[below], 1.0)
    part = np.clip((nm - centres[below]) / between, 0.0, 1.0)
    point = np.arange(len(nm))
    hats = csr_array(
        (np.concatenate([1.0 - part, part]), (np.tile(point, 2), np.concatenate([below, above]))),
        shape=(len(nm), len(centres)),
    )
    left, right = _with_lines(nm, curve)
    return np.asarray(left @ hats[:-1] + right @ hats[1:])


def _with_lines(nm: Floats, curve: Floats) -> tuple[Floats, Floats]:
    """Weights (band, step) of another line's values at the start and end of each step.

    Their sum is the integral of the product of both lines (Simpson's rule, exact for two straight ones).
    """
    step, left, right = np.diff(nm) / 6.0, curve[:, :-1], curve[:, 1:]
    return step * (2.0 * left + right), step * (left + 2.0 * right)


def require_covered(response: SpectralResponse, covered: Floats, wavelengths_nm: npt.ArrayLike) -> None:
    """Refuse bands that good HSI bands cover by less than `MIN_COVERAGE`.

    Raises:
        ResponseError: Naming them, and how much of each is covered.
    """
    short = [
        f"{name} ({share:.0%}, centre {centre:.0f} nm)"
        for name, share, centre in zip(response.names, covered, response.centres, strict=True)
        if share < MIN_COVERAGE
    ]
    if short:
        nm = np.asarray(wavelengths_nm)
        raise ResponseError(
            f"good HSI bands cover too little of {', '.join(short)}; expected {MIN_COVERAGE:.0%} "
            f"of a response (the HSI has bands from {nm.min():.0f} to {nm.max():.0f} nm); choose other bands"
        )


def mixed(hsi: FloatArray, weights: Floats) -> FloatArray:
    """Weighted means of HSI bands: (HSI band, row, col) and (band, HSI band) to (band, row, col).

    A pixel that lacks some bands is the mean over those it has, as long as they carry `MIN_COVERAGE` of
    the weight, and NaN otherwise.
    """
    used = weights.any(axis=0)
    values = hsi[used].reshape(int(used.sum()), -1).astype(np.float64)
    known = np.isfinite(values)
    share = weights[:, used] @ known.astype(np.float64)
    total = weights[:, used] @ np.where(known, values, 0.0)
    out = np.full(total.shape, np.nan, np.float32)
    np.divide(total, share, out=out, where=share >= MIN_COVERAGE, casting="same_kind")
    return out.reshape(len(weights), *hsi.shape[1:])


def simulate_msi(hsi: FloatArray, wavelengths_nm: npt.ArrayLike, response: SpectralResponse) -> FloatArray:
    """What a multispectral sensor would see of a hyperspectral image of the same pixels.

    The "spectral simulation" of X-ModalNet (Hong et al. 2020, section 4.1.1), which degrades the HSI with
    the responses of Sentinel-2 "as filters". The paper does not say how a filter is brought onto the bands
    of the HSI; see `band_weights` for what is done here. Each band is normalised: a flat spectrum stays flat.

    Args:
        hsi: (band, row, col), NaN where there is no data; a band without any gets no weight.
        wavelengths_nm: Centre of each HSI band, nanometres.
        response: Of the target sensor.

    Returns:
        (band, row, col) float32, NaN where a pixel lacks bands that carry more than a tenth of the weight.

    Raises:
        ResponseError: The good bands cover less than nine tenths of a response.
    """
    hsi = np.asarray(hsi)
    if hsi.ndim != 3 or np.shape(wavelengths_nm) != hsi.shape[:1]:
        raise ResponseError(
            f"an HSI of shape {hsi.shape} with {np.size(wavelengths_nm)} wavelengths, "
            "expected (band, row, col) and one wavelength a band"
        )
    weights, covered = band_weights(response, wavelengths_nm, np.asarray(np.isfinite(hsi).any(axis=(1, 2))))
    require_covered(response, covered, wavelengths_nm)
    return mixed(hsi, weights)
