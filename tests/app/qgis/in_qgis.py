"""Runs algorithms of the installed plugin, with the system's Python, which has PyQGIS.

    python3 in_qgis.py REQUEST ANSWER

REQUEST is a JSON list of steps: `{"do": "run", "name": ..., "algorithm": ..., "parameters": {...}}`, with
`"program"` for another place of geo-xmodal (empty: none is named). Others than `run` are `dialog` (the
algorithm's dialog is filled in, Run is clicked, and with `"cancels": true` Cancel, once the command tells of
progress; with `"opens": true` the layers are loaded), `forms` (the dialogs of all algorithms are opened, with
a raster and polygons in the project), and `model` (`"children"` of a model: `[ID, ALGORITHM, PARAMETERS]`;
the OUTPUT of each is one of the model).

A parameter may be what an earlier step gave, `{"of": NAME, "output": OUTPUT}` (in a model: an earlier child),
or a layer: `{"layer": SOURCE}` with `"where"` for its selected features, `"filter"` for a filter, `"memory":
true` for a copy that is in no file, or `"service": true` for tiles of images. ANSWER gets, by name, the
result or the error, what was said, the layers of the project and what the panel of results shows.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import qgis.utils
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
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QEventLoop
from qgis.PyQt.QtWidgets import QApplication, QMainWindow, QTextEdit

# ruff: noqa: N802 - QGIS gives the names


class Window:
    """What plugins and dialogs of Processing ask of the window of QGIS."""

    def __init__(self):
        self.window = QMainWindow()
        self.canvas = QgsMapCanvas(self.window)
        self.menu = {}

    def mainWindow(self):
        return self.window

    def mapCanvas(self):
        return self.canvas

    def browserModel(self):
        return None

    def activeLayer(self):
        return None

    def addDockWidget(self, area, dock):
        self.window.addDockWidget(area, dock)

    def removeDockWidget(self, dock):
        self.window.removeDockWidget(dock)

    def addPluginToMenu(self, name, action):
        self.menu[name] = action

    def removePluginMenu(self, name, action):
        del self.menu[name]


class Feedback(QgsProcessingFeedback):
    """Keeps what is said."""

    def __init__(self):
        super().__init__(False)
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


def main(request, answer):
    application = QgsApplication([], True)
    application.initQgis()
    qgis.utils.iface = window = Window()
    from processing.core.Processing import Processing

    Processing.initialize()
    sys.excepthook = sys.__excepthook__  # QGIS has put its own window for them there
    from geo_xmodal_qgis import classFactory

    plugin = classFactory(window)
    plugin.initGui()
    program = os.environ["GEO_XMODAL_COMMAND"]
    answers = {"plugin": {"menu": {name: action.text() for name, action in window.menu.items()}}}
    for step in request:
        print(f"step {step['name']}", file=sys.stderr, flush=True)
        feedback = Feedback()
        answers[step["name"]] = told = {}
        os.environ["GEO_XMODAL_COMMAND"] = step.get("program", program)
        given = {key: meant(value, answers) for key, value in step.get("parameters", {}).items()}
        try:
            told["result"] = DO[step["do"]]({**step, "parameters": given}, feedback, told)
        except QgsProcessingException as error:
            told["error"] = str(error)
        told["files"] = files_of(told.get("result"))
        told["copies"] = copies_of([text for _, text in feedback.said])
        told |= {"said": feedback.said, "percent": feedback.percent}
        application.processEvents()
        told["panel"] = None if plugin.dock.isHidden() else plugin.dock.page.toPlainText()
    plugin.unload()
    answers["plugin"]["menu afterwards"] = list(window.menu)
    Path(answer).write_text(json.dumps(answers, default=str), encoding="utf-8")
    QgsProject.instance().clear()


def copies_of(lines):
    """The copies of layers that the plugin tells of, by the layer's name, as long as there are any."""
    found = {}
    for name, path in re.findall(r"layer '(.*?)' is copied to (\S+) for", "\n".join(lines)):
        if path.endswith(".tif"):
            layer = QgsRasterLayer(path)
            found[name] = {"shape": [layer.bandCount(), layer.height(), layer.width()]}
        else:
            layer = QgsVectorLayer(path, "copy", "ogr")
            found[name] = {"features": layer.featureCount(), "columns": layer.fields().names()}
        assert layer.isValid(), path
    return found


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
    if value.get("service"):
        layer = QgsRasterLayer(value["layer"], "tiles", "wms")
    else:
        layer = QgsVectorLayer(value["layer"], "drawn", "ogr")
    assert layer.isValid()
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


def dialog(step, feedback, told):
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    QgsProject.instance().clear()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(step["algorithm"])
    shown = AlgorithmDialog(algorithm, False, qgis.utils.iface.mainWindow())
    given = dict(step["parameters"])
    if step.get("opens"):
        given["OUTPUT"] = QgsProcessingOutputLayerDefinition(given["OUTPUT"], QgsProject.instance())
    shown.setParameters(given)
    shown.runAlgorithm()
    assert shown.cancelButton().isEnabled(), "the dialog refuses its parameters"
    if step.get("cancels"):
        shown.feedback.progressChanged.connect(lambda percent: percent and shown.cancelButton().click())
    while shown.feedback is not None:  # the dialog forgets it at the end
        QApplication.processEvents(QEventLoop.WaitForMoreEvents)
    told["log"] = shown.findChild(QTextEdit, "txtLog").toPlainText()
    told["layers"] = {
        layer.name(): {
            "source": layer.source(),
            "renderer": layer.renderer().type(),
            "classes": [
                [one.value, one.label, one.color.name()]
                for one in (layer.renderer().classes() if layer.renderer().type() == "paletted" else [])
            ],
        }
        for layer in QgsProject.instance().mapLayers().values()
    }
    told["ran"] = shown.wasExecuted()
    shown.close()
    return shown.results()


def forms(step, feedback, told):
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    project = QgsProject.instance()
    project.clear()
    project.addMapLayer(QgsRasterLayer(step["parameters"]["RASTER"], "raster"))
    project.addMapLayer(QgsVectorLayer(step["parameters"]["POLYGONS"], "polygons"))
    told["forms"] = made = {}
    for algorithm in QgsApplication.processingRegistry().providerById("geo_xmodal").algorithms():
        shown = AlgorithmDialog(algorithm.create(), False, qgis.utils.iface.mainWindow())
        made[algorithm.name()] = {
            "widgets": sorted(shown.mainWidget().wrappers),
            "help": algorithm.shortHelpString(),
            "address": algorithm.helpUrl(),
        }
        shown.close()


def model(step, feedback, told):
    import processing

    whole = QgsProcessingModelAlgorithm("model")
    for name, algorithm, parameters in step["children"]:
        child = QgsProcessingModelChildAlgorithm(algorithm)
        child.setChildId(name)
        for key, value in parameters.items():
            if isinstance(value, dict):
                source = QgsProcessingModelChildParameterSource.fromChildOutput(value["of"], value["output"])
            else:
                source = QgsProcessingModelChildParameterSource.fromStaticValue(value)
            child.addParameterSources(key, [source])
        output = QgsProcessingModelOutput("made")
        output.setChildId(name)
        output.setChildOutputName("OUTPUT")
        child.setModelOutputs({"made": output})
        whole.addChildAlgorithm(child)
    whole.updateDestinationParameters()
    given = {f"{name}:made": "TEMPORARY_OUTPUT" for name, _, _ in step["children"]}
    result = processing.run(whole, given, context=QgsProcessingContext(), feedback=feedback)
    children = result.pop("CHILD_RESULTS")
    told["children"] = {name: {"result": one, "files": files_of(one)} for name, one in children.items()}
    return result


DO = {"run": run, "dialog": dialog, "forms": forms, "model": model}

if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
