"""Parameters of an algorithm out of the options of a command, and their values as its arguments."""

from __future__ import annotations

import shlex

from qgis.core import (
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from .description import commands, help_text, options

OUTPUT = "OUTPUT"
_NAMES = {"out": OUTPUT, "set": "SETTINGS"}
_FOLDERS = ("scene", "model", "folder")
_ONE_OF = ("method", "pretraining method", "published scene")
_SOME_OF = ("methods", "routines")
_LAYERS = ("raster", "sensor files")


def parameter_name(option):
    """The parameter of an option: `class_probabilities` is CLASS_PROBABILITIES."""
    return _NAMES.get(option["name"], option["name"].upper())


def labels_of(command):
    """What the form calls each option of a command."""
    return {one["name"]: one["label"] for one in commands()[command]["options"]}


def parameters(command):
    """The parameters of a command: basic ones, advanced ones, and where the result goes."""
    labels = labels_of(command)
    made = []
    for option in options(command):
        for parameter in _made(option, parameter_name(option)):
            if not parameter.help():
                parameter.setHelp(help_text(option, labels))
            if option["group"] == "expert":
                parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
            made.append(parameter)
    return sorted(made, key=lambda one: one.name() == OUTPUT)


def _made(option, name):
    label, optional, takes = option["label"], not option["required"], option["takes"]
    if takes == "labels":
        # not one parameter for both: QGIS 3.22 crashes where the layer beside a column is a raster
        return [
            QgsProcessingParameterFeatureSource(
                name, label, [QgsProcessing.TypeVectorAnyGeometry], optional=True
            ),
            QgsProcessingParameterField(
                name + "_COLUMN", label + ": column of classes", parentLayerParameterName=name, optional=True
            ),
            QgsProcessingParameterRasterLayer(name + "_RASTER", label + ": or a raster", optional=True),
        ]
    if takes == "shares":
        asked = [word for word in option["words"] if word != "FILE"]
        return [
            _choice(name, label, asked, None),
            QgsProcessingParameterFile(
                "AREAS",
                label + " The land, whose areas are known (CSV)",
                fileFilter="CSV (*.csv)",
                optional=True,
            ),
        ]
    return [_single(option, name, label, optional, takes)]


def _single(option, name, label, optional, takes):
    default = option["default"]
    if takes in _LAYERS:
        if option["many"]:
            return QgsProcessingParameterMultipleLayers(
                name, label, layerType=QgsProcessing.TypeRaster, optional=optional
            )
        return QgsProcessingParameterRasterLayer(name, label, optional=optional)
    if takes == "polygons":
        return QgsProcessingParameterFeatureSource(
            name, label, [QgsProcessing.TypeVectorPolygon], optional=optional
        )
    if takes in _SOME_OF:
        return _choice(name, label, option["words"], None, many=True)
    if takes in _ONE_OF or (option["type"] == "text" and option["words"]):
        return _choice(name, label, option["words"], default)
    if takes in _FOLDERS:
        return QgsProcessingParameterFile(
            name, label, behavior=QgsProcessingParameterFile.Folder, optional=optional
        )
    if takes == "file":
        if option["suffix"]:
            return QgsProcessingParameterFile(name, label, extension=option["suffix"], optional=optional)
        return QgsProcessingParameterFile(name, label, optional=optional)
    if takes == "new raster":
        return QgsProcessingParameterRasterDestination(name, label)
    if takes == "new folder":
        return QgsProcessingParameterFolderDestination(name, label)
    if takes == "new file":
        suffix = option["suffix"]
        return QgsProcessingParameterFileDestination(
            name, label, f"{suffix.upper()} (*.{suffix})", optional=True, createByDefault=False
        )
    if option["type"] == "flag":
        return QgsProcessingParameterBoolean(name, label, default)
    if option["type"] == "choice":
        return _choice(name, label, option["choices"], default, option["many"], optional)
    if option["type"] in ("integer", "number"):
        return _number(option, name, label)
    return QgsProcessingParameterString(name, label, default or None, optional=optional)


def _choice(name, label, words, default, many=False, optional=True):
    parameter = QgsProcessingParameterEnum(
        name, label, options=words, allowMultiple=many, defaultValue=default or None,
        optional=optional and not default,
    )  # fmt: skip
    parameter.setUsesStaticStrings(True)
    return parameter


def _number(option, name, label):
    whole = option["type"] == "integer"
    kind = QgsProcessingParameterNumber.Integer if whole else QgsProcessingParameterNumber.Double
    default = option["default"]
    parameter = QgsProcessingParameterNumber(name, label, kind, default, optional=default is None)
    if option["minimum"] is not None:
        parameter.setMinimum(option["minimum"])
    if option["maximum"] is not None:
        parameter.setMaximum(option["maximum"])
    return parameter


class Values:
    """Values of parameters as arguments of a command; where the result goes is settled once.

    Args:
        algorithm: Whose parameters they are.
        given: The values, by parameter.
        context: Of the run.
        files: Layers as files.

    Attributes:
        out: Where the result goes: a temporary place is another one each time that QGIS is asked.
    """

    def __init__(self, algorithm, given, context, files):
        self._algorithm = algorithm
        self._given = given
        self._context = context
        self._files = files
        definition = algorithm.parameterDefinition(OUTPUT)
        layer = isinstance(definition, QgsProcessingParameterRasterDestination)
        read = algorithm.parameterAsOutputLayer if layer else algorithm.parameterAsString
        self.out = read(given, OUTPUT, context)

    def is_given(self, name):
        """Whether a parameter without a default has a value."""
        return self._given.get(name) not in (None, "", [])

    def text(self, name):
        """A text, choice, file or folder, empty where it was left out."""
        algorithm, definition = self._algorithm, self._algorithm.parameterDefinition(name)
        if self._given.get(name) is None and definition.defaultValue() is None:
            return ""
        if isinstance(definition, QgsProcessingParameterEnum):
            return algorithm.parameterAsEnumString(self._given, name, self._context)
        if isinstance(definition, QgsProcessingParameterFileDestination):
            return algorithm.parameterAsFileOutput(self._given, name, self._context)
        return algorithm.parameterAsString(self._given, name, self._context).strip()

    def arguments(self, option, out):
        """An option as words of the command line; none where it was left out.

        Args:
            option: What it is.
            out: Where the result goes.

        Raises:
            QgsProcessingException: Its value is none that the command takes.
        """
        words = [str(out)] if option["name"] == "out" else self._words(option, parameter_name(option))
        if option["type"] == "flag":
            return [option["flag"]] if words else []
        if option["flag"] is None:
            return words
        if option["parts"] > 1:
            return [option["flag"], *words] if words else []
        return [part for word in words for part in (option["flag"], word)]

    def _words(self, option, name):
        algorithm, given, context = self._algorithm, self._given, self._context
        takes = option["takes"]
        label = algorithm.parameterDefinition(name).description()
        if option["type"] == "flag":
            return ["yes"] if algorithm.parameterAsBool(given, name, context) else []
        if takes in _LAYERS:
            return self._rasters(name, label)
        if takes == "polygons":
            return self._features(name, label, False)
        if takes == "labels":
            return self._labels(option, name, label)
        if takes == "shares":
            return self._shares(name, label)
        if option["type"] in ("integer", "number"):
            return self._number(option, name)
        if takes in _SOME_OF:
            return list(filter(None, [",".join(algorithm.parameterAsEnumStrings(given, name, context))]))
        if option["type"] == "choice" and option["many"]:
            return list(algorithm.parameterAsEnumStrings(given, name, context))
        text = self.text(name)
        if not text:
            return []
        if (option["many"] and takes not in _FOLDERS) or option["parts"] > 1:
            try:
                return shlex.split(text)
            except ValueError as error:
                raise QgsProcessingException(f"{label}: {error}: separate them by spaces") from None
        return [] if text == option["default"] else [text]

    def _rasters(self, name, label):
        if self._given.get(name) in (None, "", []):
            return []
        definition = self._algorithm.parameterDefinition(name)
        if isinstance(definition, QgsProcessingParameterRasterLayer):
            layers = [self._algorithm.parameterAsRasterLayer(self._given, name, self._context)]
        else:
            layers = self._algorithm.parameterAsLayerList(self._given, name, self._context)
        if not layers or None in layers:
            raise QgsProcessingException(self._algorithm.invalidRasterError(self._given, name))
        return [self._files.raster(layer, label, self._layers) for layer in layers]

    def _layers(self):
        """The layers of all parameters."""
        algorithm, given, context = self._algorithm, self._given, self._context
        for definition in algorithm.parameterDefinitions():
            if given.get(definition.name()) in (None, "", []):
                continue
            if isinstance(definition, QgsProcessingParameterRasterLayer):
                yield algorithm.parameterAsRasterLayer(given, definition.name(), context)
            elif isinstance(definition, QgsProcessingParameterMultipleLayers):
                yield from algorithm.parameterAsLayerList(given, definition.name(), context)
            elif isinstance(definition, QgsProcessingParameterFeatureSource):
                yield self._vector(definition.name())

    def _features(self, name, label, column):
        """`FILE` or `FILE:LAYER` of features, with `:COLUMN` if it is asked for."""
        value = self._given.get(name)
        if value in (None, ""):
            return []
        layer = self._vector(name)
        if layer is None:
            raise QgsProcessingException(f"{label}: {_source(value)} cannot be opened: choose another layer")
        if not column:
            return [self._files.vector(layer, value, label)]
        columns = self._algorithm.parameterAsFields(self._given, name + "_COLUMN", self._context)
        return [self._files.labels(layer, value, (columns or [""])[0], label)]

    def _vector(self, name):
        """The layer of a parameter, whichever of its features are meant: QGIS 3.22 opens only whole ones."""
        whole = {**self._given, name: _source(self._given[name])}
        return self._algorithm.parameterAsVectorLayer(whole, name, self._context)

    def _labels(self, option, name, label):
        found = [*self._features(name, label, True), *self._rasters(name + "_RASTER", label)]
        if len(found) > 1:
            raise QgsProcessingException(f"{label}: choose features or a raster, not both")
        if option["required"] and not found:
            raise QgsProcessingException(f"{label}: choose features with a column of classes, or a raster")
        return found

    def _shares(self, name, label):
        choice, table = self.text(name), self.text("AREAS")
        if choice and table:
            raise QgsProcessingException(f"{label} Give either '{choice}' or a table of known areas")
        return [word for word in (choice, table) if word]

    def _number(self, option, name):
        definition, value = self._algorithm.parameterDefinition(name), self._given.get(name)
        if value is None or value == "":
            value = definition.defaultValue()
        if value is None:
            return []
        values = {**self._given, name: value}
        if option["type"] == "integer":
            number = self._algorithm.parameterAsInt(values, name, self._context)
        else:
            number = self._algorithm.parameterAsDouble(values, name, self._context)
        return [] if number == option["default"] else [str(number)]


def _source(value):
    """What a parameter of features names."""
    source = getattr(value, "source", None)
    return source.staticValue() if hasattr(source, "staticValue") else value
