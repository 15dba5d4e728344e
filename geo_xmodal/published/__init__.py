"""Published scenes as people have them on disk: found, read, checked and made a scene folder.

`import_scene` turns a copy of Berlin, Augsburg, Houston2013, Houston2018, MUUFL or Trento into a folder that
`open_scene` takes; `published_scenes` says which scenes are known and which files are looked for.
"""

from geo_xmodal.published.catalogue import PublishedScene
from geo_xmodal.published.importer import import_scene
from geo_xmodal.published.report import ImportReport
from geo_xmodal.published.scenes import published_scenes

__all__ = ["ImportReport", "PublishedScene", "import_scene", "published_scenes"]
