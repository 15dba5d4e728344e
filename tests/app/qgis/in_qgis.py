"""Runs algorithms of the installed plugin, with the system's Python, which has PyQGIS.

    python3 in_qgis.py REQUEST ANSWER

REQUEST is a JSON list of steps: `{"do": "run", "name": ..., "algorithm": ..., "parameters": {...}}`. Others
than `run` are `load` (as the toolbox does it, with the layers described), `model` (the algorithm inside a
model) and `cancel` (once the command tells of progress). A parameter may be what an earlier step gave,
`{"of": NAME, "output": OUTPUT}`, or a layer: `{"layer": SOURCE}` with
`"where"` for its selected features, `"filter"` for a filter, or
`"memory": true` for a copy that is in no file. ANSWER gets, by name, the result or the error, and
what was said.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsFeatureRequest,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

# ruff: noqa: N802 - QGIS gives the names


class Feedback(QgsProcessingFeedback):
    """Keeps what is said; may cancel at the first progress."""

    def __init__(self, cancels=False):
        super().__init__(False)
        self.cancels = cancels
        self.said = []
        self.percent = []
        self.progressChanged.connect(self.percent.append)

    def pushInfo(self, text):
        self.said.append(["info", text])

    def pushWarning(self, text):
        self.said.append(["warning", text])

    def pushCommandInfo(self, text):
        self.said.append(["command", text])

    def reportError(self, text, fatalError=False):
        self.said.append(["error", text])

    def setProgressText(self, text):
        self.said.append(["progress", text])
        if self.cancels:
            self.cancel()


def main(request, answer):
    application = QgsApplication([], False)
    application.initQgis()
    from processing.core.Processing import Processing

    Processing.initialize()
    from geo_xmodal_qgis import classFactory

    plugin = classFactory(None)
    plugin.initProcessing()
    answers = {}
    for step in request:
        feedback = Feedback(step["do"] == "cancel")
        answers[step["name"]] = told = {}
        given = {key: meant(value, answers) for key, value in step["parameters"].items()}
        step = {**step, "parameters": given}
        try:
            told["result"] = DO[step["do"]](step, feedback, told)
        except QgsProcessingException as error:
            told["error"] = str(error)
        told["files"] = files_of(told.get("result"))
        told |= {"said": feedback.said, "percent": feedback.percent}
    Path(answer).write_text(json.dumps(answers, default=str), encoding="utf-8")
    plugin.unload()
    QgsProject.instance().clear()


def files_of(result):
    """What there is of a result, as long as QGIS keeps temporary files."""
    found = {}
    for name, value in (result or {}).items():
        path = Path(str(value))
        if not path.exists():
            continue
        layer = QgsRasterLayer(str(path)) if path.suffix == ".tif" else None
        metrics = path / "metrics.json"
        found[name] = {
            "shape": None if layer is None else [layer.height(), layer.width()],
            "names": sorted(one.name for one in path.iterdir()) if path.is_dir() else [],
            "metrics": json.loads(metrics.read_text(encoding="utf-8")) if metrics.exists() else None,
        }
    return found


def meant(value, answers):
    """A parameter as QGIS takes it."""
    if not isinstance(value, dict):
        return value
    if "of" in value:
        return answers[value["of"]]["result"][value["output"]]
    layer = QgsVectorLayer(value["layer"], "drawn", "ogr")
    if value.get("memory"):
        layer = layer.materialize(QgsFeatureRequest())
    if "filter" in value:
        assert layer.setSubsetString(value["filter"])
    QgsProject.instance().addMapLayer(layer)
    if "where" not in value:
        return layer.id()
    layer.selectByExpression(value["where"])
    assert layer.selectedFeatureCount()
    return QgsProcessingFeatureSourceDefinition(layer.id(), True)


def run(step, feedback, told):
    import processing

    return processing.run(step["algorithm"], step["parameters"], feedback=feedback)


def load(step, feedback, told):
    import processing

    project = QgsProject.instance()
    project.clear()
    result = processing.runAndLoadResults(step["algorithm"], step["parameters"], feedback=feedback)
    told["layers"] = {
        layer.name(): {
            "source": layer.source(),
            "renderer": layer.renderer().type(),
            "classes": [
                [one.value, one.label, one.color.name()]
                for one in (layer.renderer().classes() if layer.renderer().type() == "paletted" else [])
            ],
        }
        for layer in project.mapLayers().values()
    }
    return result


def model(step, feedback, told):
    import processing

    child = QgsProcessingModelChildAlgorithm(step["algorithm"])
    child.setChildId("child")
    for name, value in step["parameters"].items():
        if name != "OUTPUT":
            child.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromStaticValue(value)])
    output = QgsProcessingModelOutput("made")
    output.setChildId("child")
    output.setChildOutputName("OUTPUT")
    child.setModelOutputs({"made": output})
    whole = QgsProcessingModelAlgorithm("model")
    whole.addChildAlgorithm(child)
    whole.updateDestinationParameters()
    context = QgsProcessingContext()
    return processing.run(
        whole, {"child:made": step["parameters"]["OUTPUT"]}, context=context, feedback=feedback
    )


DO = {"run": run, "load": load, "model": model, "cancel": run}

if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
