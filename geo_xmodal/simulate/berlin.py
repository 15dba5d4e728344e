"""`like` berlin: the sensors, classes and balance of the Berlin HSI-SAR benchmark."""

from __future__ import annotations

from geo_xmodal.simulate.countryside import allotments, bare_soil, forest, lake, low_plants
from geo_xmodal.simulate.layout import LandUse, Layout, Line
from geo_xmodal.simulate.optical import OpticalSensor
from geo_xmodal.simulate.preset import Modality, Preset, spaced
from geo_xmodal.simulate.sampling import PointSpread
from geo_xmodal.simulate.sar import SarSensor
from geo_xmodal.simulate.spectra import Material
from geo_xmodal.simulate.town import commerce, houses, slabs, tenements, works
from geo_xmodal.types import LandClass

_FOREST, _RESIDENTIAL, _INDUSTRIAL, _LOW_PLANTS, _SOIL, _ALLOTMENT, _COMMERCIAL, _WATER = range(1, 9)


def _berlin(seed: int, scale: float) -> Layout:
    wood = LandUse("forest", forest(_FOREST), urban=False)
    water = LandUse("lake", lake(_WATER, _FOREST), urban=False)
    earth = LandUse("soil", bare_soil(_SOIL), urban=False)
    meadow = LandUse("low plants", low_plants(_LOW_PLANTS), urban=False)
    plots = LandUse("allotments", allotments(_ALLOTMENT), urban=True)
    homes = LandUse("houses", houses(_RESIDENTIAL), urban=True)
    estates = LandUse("slabs", slabs(_RESIDENTIAL), urban=True)
    blocks = LandUse("tenements", tenements(_RESIDENTIAL), urban=True)
    industry = LandUse("works", works(_INDUSTRIAL), urban=True)
    center = LandUse("commerce", commerce(_COMMERCIAL), urban=True)
    slots = (
        *(wood, wood, water, earth, meadow),
        *(wood, earth, meadow, meadow, homes),
        *(homes, homes, homes, plots, homes),
        *(estates, industry, homes, estates, blocks),
        *(industry, blocks, center, blocks, center),
    )
    river = Line(
        period=3900.0 * scale,
        width=58.0 * max(scale, 0.4),
        sway=520.0 * scale,
        material=Material.WATER,
        label=_WATER,
        shore=9.0,
        shore_material=Material.SHRUB,
    )
    rail = Line(
        period=3300.0 * scale,
        width=15.0,
        sway=260.0 * scale,
        material=Material.GRAVEL,
        label=0,
        shore=9.0,
        shore_material=Material.DRY_GRASS,
        along="x",
    )
    return Layout(
        seed,
        district=430.0 * scale,
        slots=slots,
        group=5,
        lines=(river, rail),
        road_label=0,
        road_widths=(24.0, 11.0, 5.0),
        merge=0.35,
        polygon=85.0,
    )


_VNIR = 94
_BERLIN_HSI = OpticalSensor(
    name="EnMAP-like imaging spectrometer, 244 bands",
    wavelengths=spaced(400.0, 1000.0, _VNIR) + spaced(1010.0, 2500.0, 244 - _VNIR),
    widths=(7.0,) * _VNIR + (10.0,) * (244 - _VNIR),
    spread=PointSpread(factor=6, fwhm=1.0),
    snr=220.0,
    striping=0.35,
    stream=1,
)
_SENTINEL1 = SarSensor(
    "Sentinel-1-like IW, VV+VH covariance", PointSpread(factor=3, fwhm=1.4), looks=4.4, stream=3
)

BERLIN = Preset(
    name="berlin",
    title="the Berlin HSI-SAR benchmark",
    layout=_berlin,
    full_extent=5000.0,
    target="sar",
    modalities={"sar": Modality(_SENTINEL1, 13.89), "hsi": Modality(_BERLIN_HSI, 30.0, strip=0.38)},
    classes=(
        LandClass(_FOREST, "Forest", "#1b7837"),
        LandClass(_RESIDENTIAL, "Residential Area", "#d9746c"),
        LandClass(_INDUSTRIAL, "Industrial Area", "#8c6bb1"),
        LandClass(_LOW_PLANTS, "Low Plants", "#a6d96a"),
        LandClass(_SOIL, "Soil", "#b8864b"),
        LandClass(_ALLOTMENT, "Allotment", "#f4c95d"),
        LandClass(_COMMERCIAL, "Commercial Area", "#c2185b"),
        LandClass(_WATER, "Water", "#2c7fb8"),
    ),
    train=(443, 423, 499, 376, 331, 280, 298, 170),
    least=12,
    test=(54511, 268219, 19067, 58906, 17095, 13025, 24526, 6502),
    table_pixels=1723 * 476,
    test_share=0.57,
    rows=460,
    cols=400,
    epsg=32633,
    origin=(382000.0, 5826000.0),
)
