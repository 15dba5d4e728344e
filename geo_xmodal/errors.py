"""What can go wrong, one class a cause.

Every message is one line that says what is wrong, what was observed and expected, where, and what to do.
It names options by `named_options.option`: `str` of an error words them for Python, `marked` is the message
before that, for other surfaces. The command line prints it and exits with `exit_status`; anything that is not
a `GeoXmodalError` is a fault.
"""

from __future__ import annotations

from geo_xmodal.named_options import as_argument, worded

_MAX_MESSAGE = 2000
"""Letters of a message; a name or value out of a damaged file may have millions."""


class GeoXmodalError(Exception):
    """Root of every error that a user can mend."""

    exit_status = 2

    @property
    def marked(self) -> str:
        """The message with marks for options, without the middle of one that is too long to be read."""
        text = super().__str__()
        half = _MAX_MESSAGE // 2
        return text if len(text) <= _MAX_MESSAGE else f"{text[:half]} ... {text[-half:]}"

    def __str__(self) -> str:
        """The message as callers in Python read it."""
        return worded(self.marked, as_argument)


class UsageError(GeoXmodalError):
    """An option, or a combination of options, that has no meaning."""


class RasterError(GeoXmodalError):
    """A raster that cannot be opened, is not what it claims to be, or is not safe to read."""


class VectorError(GeoXmodalError):
    """A vector file that cannot be opened or lacks what was asked of it."""


class TableError(GeoXmodalError):
    """A table of points that cannot be read, or lacks what was asked of it."""


class ResponseError(GeoXmodalError):
    """Spectral responses that cannot be read, or that an HSI does not cover."""


class SceneError(GeoXmodalError):
    """A scene folder or scene.toml that does not describe a usable scene."""


class ChipError(GeoXmodalError):
    """A folder of chips, or chips.toml, that does not describe a usable set."""


class AlignmentError(GeoXmodalError):
    """Files that cannot be brought onto one grid (no overlap, no CRS, no size in common)."""


class LabelError(GeoXmodalError):
    """Labels that are missing, empty, of one class only, or outside the class list."""


class TrainingDataError(GeoXmodalError):
    """Pixels that do not suffice for what the method needs."""


class BundleError(GeoXmodalError):
    """A model folder that is incomplete, changed, or of another schema."""


class ModelMismatchError(GeoXmodalError):
    """A model applied to data that it was not made for (band count, modality kind, resolution)."""


class ValueRangeError(ModelMismatchError):
    """Values outside of those that a model was trained on; whoever asks for it gets them mapped."""


class ClassSharesError(GeoXmodalError):
    """Class shares that cannot be estimated, or a table of them that does not fit the model."""


class ExtensionError(GeoXmodalError):
    """An installed package that adds to this one, and cannot be used."""


class OutputError(GeoXmodalError):
    """An output that cannot be written: no permission, no room, or in the way of something else."""


class MemoryShortageError(GeoXmodalError):
    """Less memory than what is asked would take."""


class ResumeError(GeoXmodalError):
    """An unfinished run or map that does not fit what is asked to resume it."""


class ClusterError(GeoXmodalError):
    """A Dask cluster that does not answer, goes away, or whose workers lack the software or the files."""


class ProcessError(GeoXmodalError):
    """One of several processes that train one model ended, or does something else than the others.

    Attributes:
        told: Whether another process says so to whoever reads: this one need not.
    """

    def __init__(self, message: str, *, told: bool = False) -> None:
        super().__init__(message)
        self.told = told
