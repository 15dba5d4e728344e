"""Bounds of network options: a card from a stranger cannot ask for absurd sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(ge=1, le=4096)]
Kernel = Annotated[int, Field(ge=1, le=31)]
Share = Annotated[float, Field(ge=0, lt=1)]


class NetworkOptions(BaseModel):
    """Options of a network: what is not named is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def chosen(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the settings of a target branch (`methods.PixelBranchOptions`) that are the network's."""
        return {name: settings[name] for name in cls.model_fields if name in settings}

    @property
    def margin(self) -> int:
        """Pixels on each side that a prediction looks at."""
        return 0


def check_convolutions(widths: Sequence[int], kernels: Sequence[int], others: Sequence[int] = ()) -> None:
    """One width a kernel, and odd sizes.

    Raises:
        ValueError: Otherwise.
    """
    if len(widths) != len(kernels):
        raise ValueError(f"{len(widths)} widths but {len(kernels)} kernels")
    if even := [size for size in (*kernels, *others) if size % 2 == 0]:
        raise ValueError(f"sizes {even} must be odd, so that a patch has a centre")


def reach(kernels: Sequence[int]) -> int:
    """Pixels on each side that valid convolutions of these sizes look at."""
    return sum(kernel - 1 for kernel in kernels) // 2
