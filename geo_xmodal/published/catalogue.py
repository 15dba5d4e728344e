"""What is known of a published scene, and of the files in which copies of it lie on disk.

The scenes themselves are in a module each (`berlin`, `augsburg`, ...). File names, variable names and sizes
there are what loaders in public repositories open; how much of that was seen in real files, each scene says
itself (`PublishedScene.checked`).
"""

from __future__ import annotations

from dataclasses import dataclass

from geo_xmodal.types import Kind, LandClass

Shape = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True)
class Source:
    """One way in which an image or a label map lies on disk.

    Attributes:
        stems: Names of files without their ending, any case; several are stacked, and all have to be there.
            MATLAB, GeoTIFF, ENVI and (for labels) an ENVI list of regions of interest are taken.
        variable: In a MATLAB file: the name of the array; behind points the fields of a struct, `[i]` an
            element of a cell or of an array of structs. The name of the file where it is empty.
        keep: Bands that are measurements; those behind them are left out.
        band_names: Names of the bands, where they are known.
    """

    stems: tuple[str, ...]
    variable: str = ""
    keep: int | None = None
    band_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sensor:
    """One modality of a published scene.

    Attributes:
        name: Of the modality in scene.toml.
        title: Sensor and product in words.
        bands: How many bands copies have; the first is the published number.
        shapes: How many rows and columns copies have.
        sources: Ways in which it lies on disk, the first that is found counts.
    """

    name: str
    kind: Kind
    title: str
    bands: tuple[int, ...]
    shapes: tuple[Shape, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Maps:
    """Training and test labels as a map each."""

    train: Source
    test: Source


@dataclass(frozen=True)
class Indexed:
    """One map of labels, and a MATLAB file with the rows and columns of the training and the test pixels."""

    labels: Source
    index: str
    train: str
    test: str


@dataclass(frozen=True)
class Whole:
    """One map of labels without a split of its own."""

    labels: Source


Labels = Maps | Indexed | Whole


@dataclass(frozen=True)
class KnownCounts:
    """Labelled pixels of each class in a split that papers use.

    Attributes:
        name: Of the split, in words.
        origin: Where the numbers come from.
        train: One number a class, in the order of the legend.
        test: The same for test.
    """

    name: str
    origin: str
    train: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def total(self) -> tuple[int, ...]:
        """Training and test together."""
        return tuple(train + test for train, test in zip(self.train, self.test, strict=True))


@dataclass(frozen=True)
class PublishedScene:
    """A published scene.

    Attributes:
        name: As `import_scene` takes it.
        title: In words.
        citation: The papers to cite.
        pixel: Side of a pixel of the target sensor in metres, for files without coordinates.
        targets: Names of the sensors that maps can be made from; the first that is found is the target.
        sensors: All of them; one of `targets` and those that are no target have to be there.
        classes: The legend, in the order of the ids in the files.
        labels: Ways in which labels lie on disk, the first that is found whole counts.
        counts: Splits whose numbers are known, or none.
        checked: Which real files the reader was run on.
        regions: Names of the classes in lists of regions of interest, in the order of the legend.
        license: Of the data, where it is known.
    """

    name: str
    title: str
    citation: str
    pixel: float
    targets: tuple[str, ...]
    sensors: tuple[Sensor, ...]
    classes: tuple[LandClass, ...]
    labels: tuple[Labels, ...]
    counts: tuple[KnownCounts, ...]
    checked: str
    regions: tuple[str, ...] = ()
    license: str = ""

    @property
    def label_files(self) -> tuple[tuple[str, ...], ...]:
        """Names of the files of each way in which labels lie on disk, without endings."""
        return tuple(layout_files(layout) for layout in self.labels)


def source(stem: str, variable: str = "") -> Source:
    """One file; its variable has the file's name if none is given."""
    return Source((stem,), variable)


def layout_files(layout: Labels) -> tuple[str, ...]:
    """Names of the files of a label layout, without endings."""
    match layout:
        case Maps(train, test):
            return (*train.stems, *test.stems)
        case Indexed(labels, index):
            return (*labels.stems, index)
        case Whole(labels):
            return labels.stems
