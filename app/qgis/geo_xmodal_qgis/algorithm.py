"""What all algorithms share: parameters that are options, and a run of the command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterNumber,
    QgsSettings,
)
from qgis.PyQt.QtGui import QIcon

from .command import Cancelled, CommandError, command_version, find_command, run_command
from .layers import area_file, label_file, raster_file
from .version import plugin_version

SETTING = "GEO_XMODAL_COMMAND"

KINDS = ["hsi", "msi", "sar", "lidar", "thermal", "dem", "embedding", "other"]
SCALES = ["linear", "db"]

SHARES = {
    "labels": "the land, of which the labels are a fair sample",
    "equal": "every class alike",
    "estimated": "the land, as its image tells",
}
"""What a map may be right about, besides known areas."""

_STYLES = {}
"""Those that may still be asked to load a style: QGIS keeps no reference to them."""

_VERSIONS = {}
"""Version of each command that was asked, by its place and time of change."""


class GeoXmodalAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs one subcommand.

    Subclasses set `command`, `title`, `help` and `keywords`, and define `initAlgorithm`, `arguments` and
    `results`.
    """

    command = ""
    title = ""
    help = ""
    keywords = ""

    def name(self):
        """The second part of the id."""
        return self.command

    def displayName(self):  # noqa: N802 - names that QGIS calls
        """The name in the toolbox."""
        return self.title

    def shortHelpString(self):  # noqa: N802
        """The help beside the parameters."""
        return self.help

    def tags(self):
        """What a search in the toolbox finds it by."""
        return ["land cover", "classification", "cross-modal", *self.keywords.split()]

    def icon(self):
        """The plugin's icon."""
        return QIcon(str(Path(__file__).parent / "icon.svg"))

    def createInstance(self):  # noqa: N802
        """A fresh one for each run."""
        return type(self)()

    def canExecute(self):  # noqa: N802
        """Whether there is a command, before a dialog opens."""
        try:
            find_command(QgsSettings().value("Processing/Configuration/" + SETTING, "") or "")
        except CommandError as error:
            return False, str(error)
        return True, ""

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Run the subcommand."""
        arguments = [str(argument) for argument in self.arguments(parameters, context)]
        result = self._run([self.command, *arguments], feedback)
        return self.results(result, parameters, context) if result is not None else {}

    def arguments(self, parameters, context):
        """The options of the subcommand."""
        raise NotImplementedError

    def results(self, result, parameters, context):
        """The algorithm's outputs, from the subcommand's result."""
        raise NotImplementedError

    def _run(self, arguments, feedback):
        def progress(done, total, message):
            feedback.setProgress(100.0 * done / max(total, 1))
            feedback.setProgressText(message)

        def say(line):
            word, colon, rest = line.partition(": ")
            if colon and word == "warning":
                feedback.pushWarning(rest)
            elif colon and word in ("note", "assumed"):
                feedback.pushWarning(line)
            else:
                feedback.pushInfo(line)

        try:
            command = find_command(QgsSettings().value("Processing/Configuration/" + SETTING, "") or "")
            _check_version(command, feedback)
            feedback.pushCommandInfo(" ".join(shlex.quote(word) for word in [*command, *arguments]))
            return run_command(command, arguments, progress, say, feedback.isCanceled)
        except CommandError as error:
            raise QgsProcessingException(self._as_here(str(error))) from None
        except Cancelled:
            feedback.pushInfo("stopped: no process of geo-xmodal is left")
            return None

    def _as_here(self, text):
        """A message of the command, with its options called as the parameters of the dialog are."""

        def field(match):
            parameter = self.parameterDefinition(match[1].upper().replace("-", "_"))
            return match[0] if parameter is None else f"'{parameter.description()}'"

        return re.sub(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)", field, text)

    # Parameters ------------------------------------------------------------------------------------------

    def add(self, parameter, help_text="", advanced=False):
        """Add a parameter with its help, maybe among the advanced ones."""
        if help_text:
            parameter.setHelp(help_text)
        if advanced:
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(parameter)

    def add_choice(self, name, description, options, default=None, help_text="", advanced=False):
        """One of a few words; without a default it may be left empty."""
        parameter = QgsProcessingParameterEnum(
            name, description, options=options, defaultValue=default, optional=default is None
        )
        parameter.setUsesStaticStrings(True)
        self.add(parameter, help_text, advanced)

    def add_shares(self, default):
        """Whose class shares maps have, as every form asks it; `default` says what an empty answer means."""
        self.add_choice(
            "SHARES",
            "What should the map be right about?",
            list(SHARES),
            help_text="; ".join(f"{name}: {words}" for name, words in SHARES.items()) + f". {default}.",
            advanced=True,
        )
        self.add(
            QgsProcessingParameterFile(
                "AREAS",
                "What should the map be right about: the land, whose areas are known (CSV)",
                fileFilter="CSV (*.csv)",
                optional=True,
            ),
            "In place of the choice above: a table with a column id, class or name, and one area or share.",
            advanced=True,
        )

    def shares(self, parameters, context):
        """The option `--shares` of a command."""
        choice, table = self.word(parameters, "SHARES", context), self.word(parameters, "AREAS", context)
        if choice and table:
            raise QgsProcessingException(
                f"what should the map be right about? Give either '{choice}' or a table of known areas"
            )
        return self.option("--shares", choice or table)

    def add_number(
        self, name, description, default=None, minimum=None, help_text="", advanced=False, real=False
    ):
        """A number; without a default it may be left empty."""
        kind = QgsProcessingParameterNumber.Double if real else QgsProcessingParameterNumber.Integer
        parameter = QgsProcessingParameterNumber(name, description, kind, default, optional=default is None)
        if minimum is not None:
            parameter.setMinimum(minimum)
        self.add(parameter, help_text, advanced)

    def add_labels(self, name, description, optional=True, help_text=""):
        """A label layer, raster or polygons, and the column of polygons."""
        self.add(
            QgsProcessingParameterMapLayer(
                name,
                description,
                optional=optional,
                types=[QgsProcessing.TypeRaster, QgsProcessing.TypeVectorAnyGeometry],
            ),
            help_text,
        )
        self.add(
            QgsProcessingParameterField(
                name + "_COLUMN",
                description + ": column (polygons)",
                parentLayerParameterName=name,
                optional=True,
            )
        )

    # Values ----------------------------------------------------------------------------------------------

    def option(self, option, value):
        """`--option value`, or nothing where there is no value."""
        return [] if value is None or value == "" else [option, value]

    def word(self, parameters, name, context):
        """A text, choice, file or folder, empty where it was left out."""
        if parameters.get(name) is None and self.parameterDefinition(name).defaultValue() is None:
            return ""
        definition = self.parameterDefinition(name)
        if isinstance(definition, QgsProcessingParameterEnum):
            return self.parameterAsEnumString(parameters, name, context)
        return self.parameterAsString(parameters, name, context).strip()

    def number(self, parameters, name, context):
        """A number, None where it was left out."""
        definition = self.parameterDefinition(name)
        value = parameters.get(name)
        if value is None or value == "":
            value = definition.defaultValue()
        if value is None:
            return None
        values = {**parameters, name: value}
        if definition.dataType() == QgsProcessingParameterNumber.Integer:
            return self.parameterAsInt(values, name, context)
        return self.parameterAsDouble(values, name, context)

    def raster(self, parameters, name, context):
        """The GeoTIFF of a raster parameter, empty where it was left out.

        Raises:
            QgsProcessingException: It is no layer, or none that the command reads.
        """
        if parameters.get(name) in (None, ""):
            return ""
        layer = self.parameterAsRasterLayer(parameters, name, context)
        if layer is None:
            raise QgsProcessingException(self.invalidRasterError(parameters, name))
        return raster_file(layer, self.parameterDefinition(name).description())

    def rasters(self, parameters, name, context):
        """The GeoTIFFs of a parameter of several rasters."""
        if parameters.get(name) in (None, "", []):
            return []
        layers = self.parameterAsLayerList(parameters, name, context)
        if not layers:
            raise QgsProcessingException(self.invalidRasterError(parameters, name))
        return [raster_file(layer, self.parameterDefinition(name).description()) for layer in layers]

    def labels(self, parameters, name, context):
        """`FILE`, `FILE:COLUMN` or `FILE:LAYER:COLUMN`; empty where left out."""
        if parameters.get(name) in (None, ""):
            return ""
        layer = self.parameterAsLayer(parameters, name, context)
        if layer is None:
            what = self.parameterDefinition(name).description()
            raise QgsProcessingException(
                f"{what}: {parameters[name]} cannot be opened: choose a label raster or polygons"
            )
        column = (self.parameterAsFields(parameters, name + "_COLUMN", context) or [""])[0]
        return label_file(layer, column, self.parameterDefinition(name).description())

    def area(self, parameters, name, context):
        """`FILE` or `FILE:LAYER` of polygons; empty where left out."""
        if parameters.get(name) in (None, ""):
            return ""
        layer = self.parameterAsVectorLayer(parameters, name, context)
        if layer is None:
            raise QgsProcessingException(self.invalidSourceError(parameters, name))
        return area_file(layer, self.parameterDefinition(name).description())

    # Results ---------------------------------------------------------------------------------------------

    def load_also(self, path, name, output, context):
        """Load a file beside the outputs, if QGIS loads layers here at all, with the style beside it."""
        if context.project() is None or not Path(path).is_file():
            return
        details = QgsProcessingContext.LayerDetails(name, context.project(), output)
        details.forceName = True
        context.addLayerToLoadOnCompletion(path, details)
        self.style(path, context)

    def style(self, path, context):
        """Give a layer that will be loaded the style beside its file."""
        style = Path(path).with_suffix(".qml")
        if style.is_file() and context.willLoadLayerOnCompletion(path):
            context.layerToLoadOnCompletionDetails(path).setPostProcessor(StyleBeside.of(str(style)))


class StyleBeside(QgsProcessingLayerPostProcessorInterface):
    """Loads a `.qml` once the layer is in the project: Processing loads results without their style."""

    def __init__(self, style):
        super().__init__()
        self.style = style

    @classmethod
    def of(cls, style):
        """One for each file."""
        return _STYLES.setdefault(style, cls(style))

    def postProcessLayer(self, layer, context, feedback):  # noqa: N802 - a name that QGIS calls
        """Load the style."""
        layer.loadNamedStyle(self.style)
        layer.triggerRepaint()


def _check_version(command, feedback):
    try:
        stamp = (command[0], Path(command[0]).stat().st_mtime_ns)
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be started: {error}") from None
    if stamp not in _VERSIONS:
        _VERSIONS[stamp] = command_version(command)
    found, own = _VERSIONS[stamp], plugin_version()
    if found != own:
        feedback.pushWarning(
            f"geo-xmodal is version {found}, this plugin was made for {own}: if something fails, install "
            "plugin and command of the same version"
        )
