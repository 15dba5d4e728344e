"""`like` houston: the sensors, classes and balance of the Houston2013 scene."""

from __future__ import annotations

from geo_xmodal.simulate.campus import ROOFS, by_material, car_park, courts, lawn, stadium
from geo_xmodal.simulate.countryside import bare_soil, forest, lake
from geo_xmodal.simulate.layout import LandUse, Layout, Line
from geo_xmodal.simulate.lidar import LidarSensor
from geo_xmodal.simulate.optical import OpticalSensor
from geo_xmodal.simulate.preset import Modality, Preset, spaced
from geo_xmodal.simulate.sampling import PointSpread
from geo_xmodal.simulate.spectra import Material
from geo_xmodal.simulate.town import commerce, houses
from geo_xmodal.types import LandClass

(
    _HEALTHY,
    _STRESSED,
    _SYNTHETIC,
    _TREE,
    _SOIL,
    _WATER,
    _RESIDENTIAL,
    _COMMERCIAL,
    _ROAD,
    _HIGHWAY,
    _RAILWAY,
    _PARKING_1,
    _PARKING_2,
    _TENNIS,
    _TRACK,
) = range(1, 16)

_OPEN_GROUND = {
    Material.GRASS: _HEALTHY,
    Material.DRY_GRASS: _STRESSED,
    Material.BROADLEAF: _TREE,
    Material.CONIFER: _TREE,
    Material.LOAM: _SOIL,
    Material.SAND: _SOIL,
    Material.PEAT: _SOIL,
    Material.WATER: _WATER,
    Material.ASPHALT: _ROAD,
}
_HOMES = _OPEN_GROUND | dict.fromkeys(ROOFS, _RESIDENTIAL)
_OFFICES = _OPEN_GROUND | dict.fromkeys(ROOFS, _COMMERCIAL)


def _houston(seed: int, scale: float) -> Layout:
    wood = LandUse("wood", by_material(forest(0), _OPEN_GROUND), urban=False)
    pond = LandUse("pond", by_material(lake(0, 0), _OPEN_GROUND), urban=False)
    earth = LandUse("earth", by_material(bare_soil(0), _OPEN_GROUND), urban=True)
    green = LandUse("lawn", by_material(lawn(Material.GRASS), _OPEN_GROUND), urban=True)
    dry = LandUse("dry lawn", by_material(lawn(Material.DRY_GRASS), _OPEN_GROUND), urban=True)
    homes = LandUse("homes", by_material(houses(0), _HOMES), urban=True)
    offices = LandUse("offices", by_material(commerce(0), _OFFICES), urban=True)
    empty = LandUse("car park", car_park(_PARKING_1, 0.12), urban=True)
    full = LandUse("full car park", car_park(_PARKING_2, 0.88), urban=True)
    sports = LandUse("stadium", stadium(_TRACK, _SYNTHETIC, _HEALTHY), urban=True)
    tennis = LandUse("courts", courts(_TENNIS, _HEALTHY), urban=True)
    slots = (
        *(wood, dry, pond, green),
        *(homes, earth, homes, sports),
        *(homes, homes, tennis, full),
        *(offices, empty, offices, offices),
    )
    highway = Line(
        period=640.0 * scale,
        width=26.0,
        sway=60.0 * scale,
        material=Material.CONCRETE,
        label=_HIGHWAY,
        shore=9.0,
        shore_material=Material.DRY_GRASS,
        along="x",
    )
    railway = Line(
        period=520.0 * scale,
        width=11.0,
        sway=50.0 * scale,
        material=Material.GRAVEL,
        label=_RAILWAY,
        shore=5.0,
        shore_material=Material.SHRUB,
    )
    return Layout(
        seed,
        district=104.0 * max(scale, 0.5),
        slots=slots,
        group=4,
        lines=(railway, highway),
        road_label=_ROAD,
        road_widths=(15.0, 9.0, 4.0),
        merge=0.12,
        polygon=24.0,
    )


_HSI = OpticalSensor(
    name="CASI-like imaging spectrometer, 144 bands",
    wavelengths=spaced(380.0, 1050.0, 144),
    widths=(5.0,) * 144,
    spread=PointSpread(factor=4, fwhm=1.0),
    snr=120.0,
    striping=0.3,
    stream=11,
)
_MSI = OpticalSensor(
    name="8 bands at the centres of Sentinel-2 B1 to B8A",
    wavelengths=(443.0, 492.0, 560.0, 665.0, 704.0, 741.0, 783.0, 865.0),
    widths=(21.0, 66.0, 36.0, 31.0, 15.0, 15.0, 20.0, 21.0),
    spread=PointSpread(factor=3, fwhm=1.0),
    snr=90.0,
    striping=0.0,
    stream=13,
)
_LIDAR = LidarSensor(
    "airborne laser scanner, 1064 nm", PointSpread(factor=3, fwhm=0.8), 0.08, 0.10, stream=15
)

HOUSTON = Preset(
    name="houston",
    title="the Houston2013 contest scene",
    layout=_houston,
    full_extent=700.0,
    target="lidar",
    modalities={
        "lidar": Modality(_LIDAR, 2.5),
        "msi": Modality(_MSI, 2.5),
        "hsi": Modality(_HSI, 5.0, strip=0.40),
    },
    classes=(
        LandClass(_HEALTHY, "Healthy Grass", "#4dac26"),
        LandClass(_STRESSED, "Stressed Grass", "#b8c965"),
        LandClass(_SYNTHETIC, "Synthetic Grass", "#00a08a"),
        LandClass(_TREE, "Tree", "#14532d"),
        LandClass(_SOIL, "Soil", "#a6703d"),
        LandClass(_WATER, "Water", "#2c7fb8"),
        LandClass(_RESIDENTIAL, "Residential", "#d9746c"),
        LandClass(_COMMERCIAL, "Commercial", "#c2185b"),
        LandClass(_ROAD, "Road", "#6e6e6e"),
        LandClass(_HIGHWAY, "Highway", "#3b3b3b"),
        LandClass(_RAILWAY, "Railway", "#8c6bb1"),
        LandClass(_PARKING_1, "Parking Lot 1", "#f4c95d"),
        LandClass(_PARKING_2, "Parking Lot 2", "#f08a24"),
        LandClass(_TENNIS, "Tennis Court", "#56b4e9"),
        LandClass(_TRACK, "Running Track", "#e0457b"),
    ),
    train=(537, 61, 340, 209, 74, 22, 52, 320, 76, 279, 33, 329, 20, 266, 279),
    least=30,
    test=(699, 1154, 357, 1035, 1168, 303, 1203, 924, 1149, 948, 1185, 904, 449, 162, 381),
    table_pixels=349 * 1905,
    test_share=0.10,
    rows=264,
    cols=460,
    epsg=32615,
    origin=(271400.0, 3290300.0),
)
