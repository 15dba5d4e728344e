"""Legends that land-cover products have published: ids as their rasters have them, names and colours.

- `corine`: CORINE Land Cover, 44 classes of level 3, by the grid codes of its rasters (Copernicus Land
  Monitoring Service, CLC2018 user manual).
- `worldcover`: ESA WorldCover 2020 and 2021 (Product User Manual v2.0, table 1).
- `nlcd`: National Land Cover Database of the USA (MRLC), with the classes of Alaska.
- `dynamic-world`: Brown et al. 2022, "Dynamic World, near real-time global 10 m land use land cover mapping",
  table 2; its class 0 is water.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CORINE = """
1 e6004d Continuous urban fabric
2 ff0000 Discontinuous urban fabric
3 cc4df2 Industrial or commercial units
4 cc0000 Road and rail networks and associated land
5 e6cccc Port areas
6 e6cce6 Airports
7 a600cc Mineral extraction sites
8 a64d00 Dump sites
9 ff4dff Construction sites
10 ffa6ff Green urban areas
11 ffe6ff Sport and leisure facilities
12 ffffa8 Non-irrigated arable land
13 ffff00 Permanently irrigated land
14 e6e600 Rice fields
15 e68000 Vineyards
16 f2a64d Fruit trees and berry plantations
17 e6a600 Olive groves
18 e6e64d Pastures
19 ffe6a6 Annual crops associated with permanent crops
20 ffe64d Complex cultivation patterns
21 e6cc4d Land principally occupied by agriculture, with significant areas of natural vegetation
22 f2cca6 Agro-forestry areas
23 80ff00 Broad-leaved forest
24 00a600 Coniferous forest
25 4dff00 Mixed forest
26 ccf24d Natural grasslands
27 a6ff80 Moors and heathland
28 a6e64d Sclerophyllous vegetation
29 a6f200 Transitional woodland-shrub
30 e6e6e6 Beaches, dunes, sands
31 cccccc Bare rocks
32 ccffcc Sparsely vegetated areas
33 000000 Burnt areas
34 a6e6cc Glaciers and perpetual snow
35 a6a6ff Inland marshes
36 4d4dff Peat bogs
37 ccccff Salt marshes
38 e6e6ff Salines
39 a6a6e6 Intertidal flats
40 00ccf2 Water courses
41 80f2e6 Water bodies
42 00ffa6 Coastal lagoons
43 a6ffe6 Estuaries
44 e6f2ff Sea and ocean
"""

_WORLDCOVER = """
10 006400 Tree cover
20 ffbb22 Shrubland
30 ffff4c Grassland
40 f096ff Cropland
50 fa0000 Built-up
60 b4b4b4 Bare / sparse vegetation
70 f0f0f0 Snow and ice
80 0064c8 Permanent water bodies
90 0096a0 Herbaceous wetland
95 00cf75 Mangroves
100 fae6a0 Moss and lichen
"""

_NLCD = """
11 466b9f Open water
12 d1def8 Perennial ice/snow
21 dec5c5 Developed, open space
22 d99282 Developed, low intensity
23 eb0000 Developed, medium intensity
24 ab0000 Developed, high intensity
31 b3ac9f Barren land
41 68ab5f Deciduous forest
42 1c5f2c Evergreen forest
43 b5c58f Mixed forest
51 af963c Dwarf scrub
52 ccb879 Shrub/scrub
71 dfdfc2 Grassland/herbaceous
72 d1d182 Sedge/herbaceous
73 a3cc51 Lichens
74 82ba9e Moss
81 dcd939 Pasture/hay
82 ab6c28 Cultivated crops
90 b8d9eb Woody wetlands
95 6c9fb8 Emergent herbaceous wetlands
"""

_DYNAMIC_WORLD = """
0 419bdf Water
1 397d49 Trees
2 88b053 Grass
3 7a87c6 Flooded vegetation
4 e49635 Crops
5 dfc35a Shrub and scrub
6 c4281b Built area
7 a59b8f Bare ground
8 b39fe1 Snow and ice
"""

Entry = tuple[int, str, str]
"""Id, name and colour `#rrggbb` of a class."""


def _entries(text: str) -> tuple[Entry, ...]:
    parts = (line.split(" ", 2) for line in text.strip().splitlines())
    return tuple((int(id_), name, f"#{color}") for id_, color, name in parts)


KNOWN_LEGENDS: Mapping[str, tuple[Entry, ...]] = MappingProxyType(
    {
        "corine": _entries(_CORINE),
        "dynamic-world": _entries(_DYNAMIC_WORLD),
        "nlcd": _entries(_NLCD),
        "worldcover": _entries(_WORLDCOVER),
    }
)
"""By the name that a class list may have in place of a file."""
