"""Maps and models handed over to other programs: QGIS projects, polygons, catalogues, networks.

Nothing is imported here: catalogues and networks need libraries that projects and polygons do not.
"""
