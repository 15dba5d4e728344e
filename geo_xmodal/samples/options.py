"""Which pixels train: what a person may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geo_xmodal.errors import UsageError
from geo_xmodal.old_names import with_new_names

MAX_CHIPS = 2_000
"""Training chips of a set that are read where nobody says how many; more add little to what is drawn."""

_OF_SCENES = ("labelled", "validation_block", "transductive", "unlabelled_from")


class DataOptions(BaseModel):
    """Which pixels train, as far as a user says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str | None = Field(None, description="modality that maps are made from (default: the scene's)")
    auxiliary: str | None = Field(
        None, description="modality that only training has (default: the HSI, else any)"
    )
    labels_per_class: int | None = Field(None, ge=1, description="training labels a class, drawn at random")
    labelled: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of the places of a scene of points whose labels are kept, drawn at random; the "
        "others are unlabelled",
    )
    unlabelled: int = Field(20_000, ge=0, description="most unlabelled pixels that have both sensors")
    unlabelled_target: int = Field(20_000, ge=0, description="most unlabelled pixels of the target alone")
    validation: float = Field(0.2, ge=0, le=0.5, description="share of training labels held out in blocks")
    validation_block: int = Field(0, ge=0, description="side of a validation block in pixels, 0 = choose")
    transductive: bool = Field(False, description="test pixels may be among the unlabelled ones")
    unlabelled_from: Literal["scene", "test"] = Field(
        "scene", description="where unlabelled pixels are drawn: the scene, or the test pixels (transductive)"
    )
    memory: float = Field(
        8.0, ge=0, description="GiB of memory that the patches may take; more are read from a store on disk"
    )
    chips: int | None = Field(
        None,
        ge=2,
        description=f"most training chips that are read of a set, drawn at random ({MAX_CHIPS:,})",
    )

    @model_validator(mode="before")
    @classmethod
    def _old_names(cls, raw: Any) -> Any:
        return with_new_names(raw) if isinstance(raw, Mapping) else raw

    @model_validator(mode="after")
    def _test_pixels_are_confessed(self) -> Self:
        if self.unlabelled_from == "test" and not self.transductive:
            raise ValueError("unlabelled_from=test trains on test pixels: it needs transductive=true")
        return self


class GatherOptions(DataOptions):
    """Which pixels train, with what methods and seeds make of them."""

    margin: int = Field(3, ge=0, le=64, description="patch radius of the target modality in pixels")
    auxiliary_margin: int = Field(
        0, ge=0, le=64, description="patch radius of the auxiliary modality in pixels"
    )
    tile: int = Field(0, ge=0, le=1024, description="side of the tiles of networks on windows, 0 for none")
    overlap: int = Field(0, ge=0, le=512, description="pixels that the image of a tile reaches beyond it")
    seed: int = Field(0, ge=0, description="of every random draw")


def refuse_chip_options(options: GatherOptions) -> None:
    """See that nothing is asked of a scene that only chips have.

    Raises:
        UsageError: It is.
    """
    if options.chips is not None:
        raise UsageError("chips=N says how many chips of a set are read: a scene has none, leave it out")


def refuse_scene_options(options: GatherOptions) -> None:
    """See that nothing is asked of chips that only scenes have.

    Raises:
        UsageError: It is.
    """
    for name in _OF_SCENES:
        if getattr(options, name) != GatherOptions.model_fields[name].default:
            raise UsageError(
                f"{name}={getattr(options, name)} is for scenes: chips are held out whole, and those that "
                "test are not learned from; leave it out, or choose a method that needs it not"
            )
