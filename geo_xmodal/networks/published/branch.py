"""`published`: an encoder that others trained around each pixel."""

from __future__ import annotations

from typing import cast

from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from geo_xmodal.networks.patch_branch import PatchBranch, PatchEncoder, PatchOptions
from geo_xmodal.networks.published.catalogue import PUBLISHED
from geo_xmodal.networks.published.networks import ImageEncoder, make_network, side_of
from geo_xmodal.networks.published.units import Units
from geo_xmodal.types import BandStatistics


class PublishedOptions(PatchOptions):
    """Options of `PublishedBranch`.

    Attributes:
        published: which encoder, a name in `PUBLISHED`.
        published_bands: the scene's bands in the encoder's order; empty finds them by name.
        wavelengths: in nanometres, per band of the scene, for an encoder that takes any bands.
        resized: side to which patches are enlarged, in pixels; rounded to whole tokens.
    """

    published: str = "decur_s1"
    published_bands: tuple[str, ...] = Field(default=(), max_length=64)
    wavelengths: tuple[float, ...] = Field(default=(), max_length=4096)
    resized: int = Field(default=64, ge=8, le=512)

    @field_validator("published")
    @classmethod
    def _exists(cls, name: str) -> str:
        if name not in PUBLISHED:
            raise ValueError(f"unknown published encoder '{name}': choose one of {', '.join(PUBLISHED)}")
        return name


class PublishedEncoder(PatchEncoder):
    """Patches in the units of a published encoder, enlarged to the images that it expects, and embedded."""

    def __init__(self, bands: int, options: PublishedOptions) -> None:
        nn.Module.__init__(self)
        self.published = PUBLISHED[options.published]
        self.options = options
        self.side = side_of(self.published, options.resized)
        self.units = Units(self.published, bands)
        count = len(self.units.place)
        self.backbone = make_network(self.published, self.side, options.wavelengths, count)
        self.last = nn.Linear(cast(ImageEncoder, self.backbone).features, options.embedding)

    @property
    def vector_width(self) -> int:
        """Width of the encoder's vectors."""
        return cast(ImageEncoder, self.backbone).features

    def vectors(self, patches: Tensor) -> Tensor:
        """(n, bands, p, p) standardised -> (n, vector_width), the encoder's vectors alone."""
        return cast(Tensor, self.backbone(self.enlarged(patches)))

    def enlarged(self, patches: Tensor) -> Tensor:
        """In the encoder's units, then bilinear."""
        size = (self.side, self.side)
        return F.interpolate(self.units(patches), size, mode="bilinear", align_corners=False)

    def fit_input(self, statistics: BandStatistics, kind: str) -> str:
        """Find the encoder's bands and units in those of the sensor."""
        sensor = self.published.sensor
        if sensor.kind and sensor.kind != kind:
            raise ValueError(f"{self.published.name} is for a sensor of kind {sensor.kind}, this is {kind}")
        if not sensor.bands and len(self.options.wavelengths) != len(statistics.bands):
            raise ValueError(
                f"{self.published.name} takes any bands by their wavelengths, and {len(statistics.bands)} "
                f"are expected, per band in nanometres: wavelengths gives {len(self.options.wavelengths)}"
            )
        return self.units.fit(statistics, self.options.published_bands)


class PublishedBranch(PatchBranch):
    """`PublishedEncoder` at every pixel; beside it, another sensor is embedded by its spectrum alone."""

    tile = 8
    choice = "published (an encoder that others trained)"
    patch_encoder = None

    def new_encoder(self, bands: int, options: PatchOptions) -> PatchEncoder:
        """The encoder that the options name."""
        return PublishedEncoder(bands, cast(PublishedOptions, options))

    @property
    def wanted(self) -> str:
        """Its weights are what it is for."""
        return cast(PublishedEncoder, self.encoder).published.wanted

    def fit_input(self, statistics: BandStatistics, kind: str) -> str:
        """Find the encoder's bands and units in those of the sensor."""
        return cast(PublishedEncoder, self.encoder).fit_input(statistics, kind)
