"""Points without a raster: a table with a row a point, made a scene of single pixels.

`import_points` reads CSV, Parquet, GeoParquet, GeoPackage and GeoJSON, divides the points into training and
test places, and writes an ordinary scene folder, so that all that trains and tests on scenes does on points.
"""

from geo_xmodal.points.importer import PointsReport, import_points
from geo_xmodal.points.request import PointsRequest, SensorColumns

__all__ = ["PointsReport", "PointsRequest", "SensorColumns", "import_points"]
