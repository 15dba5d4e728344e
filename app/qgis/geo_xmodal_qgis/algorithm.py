"""What all algorithms share: parameters made from the description of a command, and a run of it."""

from __future__ import annotations

import shlex
from pathlib import Path

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsSettings,
)
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QIcon

from .command import Cancelled, CommandError, command_version, find_command, run_command
from .description import commands, options
from .layers import Files
from .parameters import OUTPUT, Values, labels_of, parameters
from .version import plugin_version

SETTING = "GEO_XMODAL_COMMAND"

_FOLDER = Path(__file__).parent

_STYLES = {}
"""Those that may still be asked to load a style: QGIS keeps no reference to them."""

_VERSIONS = {}
"""Version of each command that was asked, by its place and time of change."""


class GeoXmodalAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs one subcommand; its parameters are those that the subcommand describes.

    Subclasses set `command`, and `help`, `keywords`, `outputs`, `results` and `check` where there is
    something to add.
    """

    command = ""
    help = ""
    keywords = ""

    def __init__(self):
        super().__init__()
        self._arguments = []
        self._refused = None
        self._loading = None
        self.out = ""

    def name(self):
        """The second part of the id."""
        return self.command

    def displayName(self):  # noqa: N802 - names that QGIS calls
        """The name in the toolbox."""
        return commands()[self.command]["title"]

    def shortHelpString(self):  # noqa: N802
        """The help beside the parameters."""
        return f"{commands()[self.command]['summary']}\n\n{self.help}".strip()

    def helpUrl(self):  # noqa: N802
        """The page on all parameters, which comes with the plugin."""
        page = QUrl.fromLocalFile(str(_FOLDER / "help.html"))
        page.setFragment(self.command)
        return page.toString()

    def tags(self):
        """What a search in the toolbox finds it by."""
        return ["land cover", "classification", "cross-modal", *self.keywords.split()]

    def icon(self):
        """The plugin's icon."""
        return QIcon(str(_FOLDER / "icon.svg"))

    def createInstance(self):  # noqa: N802
        """A fresh one for each run."""
        return type(self)()

    def initAlgorithm(self, configuration=None):  # noqa: N802
        """Parameters as the subcommand has options."""
        for parameter in parameters(self.command):
            self.addParameter(parameter)
        for output in self.outputs():
            self.addOutput(output)

    def canExecute(self):  # noqa: N802
        """Whether there is a command, before a dialog opens."""
        try:
            find_command(QgsSettings().value("Processing/Configuration/" + SETTING, "") or "")
        except CommandError as error:
            return False, str(error)
        return True, ""

    def prepareAlgorithm(self, values, context, feedback):  # noqa: N802
        """Layers belong to the main thread, where this runs: they become files here."""
        try:
            self._prepare(values, context, feedback)
        except QgsProcessingException as error:
            self._refused = error  # raised from here, QGIS would not say why
        return True

    def _prepare(self, values, context, feedback):
        files = Files(context, feedback)
        given = Values(self, values, context, files)
        self.check(given)
        self.out = given.out
        if context.willLoadLayerOnCompletion(self.out):
            self._loading = context.layerToLoadOnCompletionDetails(self.out)
        place = self.place(given)
        self._arguments = [self.command]
        for option in options(self.command):
            self._arguments += given.arguments(option, place)
        for line in files.copied:
            feedback.pushInfo(line)
        self._arguments += self.more_arguments(files)

    def processAlgorithm(self, values, context, feedback):  # noqa: N802
        """Run the subcommand."""
        if self._refused is not None:
            raise self._refused
        # in a thread of its own it has another context, which knows nothing of layers that were to be loaded
        if self._loading is not None and not context.willLoadLayerOnCompletion(self.out):
            context.addLayerToLoadOnCompletion(self.out, self._loading)
        result = self._run(self._arguments, feedback)
        return self.results(result, context) if result is not None else {}

    def outputs(self):
        """Outputs beside those of parameters."""
        return []

    def check(self, given):
        """See that values go together where the command would speak of options that a dialog has not.

        Raises:
            QgsProcessingException: They do not.
        """

    def place(self, given):
        """Where the subcommand writes: the output, or a file in it."""
        return given.out

    def more_arguments(self, files):
        """Arguments that no parameter stands for."""
        return []

    def results(self, result, context):
        """The algorithm's outputs, from the subcommand's result; the output itself is `self.out`."""
        return {OUTPUT: self.out}

    def _run(self, arguments, feedback):
        def progress(done, total, message, left):
            feedback.setProgress(100.0 * done / max(total, 1))
            feedback.setProgressText(message if left is None else f"{message} ({_duration(left)} left)")

        def say(text, kind):
            if kind == "warning":
                feedback.pushWarning(text)
            elif kind:
                feedback.pushWarning(f"{kind}: {text}")
            else:
                feedback.pushInfo(text)

        try:
            command = find_command(QgsSettings().value("Processing/Configuration/" + SETTING, "") or "")
            _check_version(command, feedback)
            feedback.pushCommandInfo(" ".join(shlex.quote(word) for word in [*command, *arguments]))
            return run_command(command, arguments, progress, say, feedback.isCanceled, self._worded)
        except CommandError as error:
            raise QgsProcessingException(str(error)) from None
        except Cancelled:
            feedback.pushInfo("stopped: no process of geo-xmodal is left")
            return None

    def _worded(self, option, value):
        """An option as the dialog calls it."""
        return f"'{labels_of(self.command).get(option, option)}'" + (f" {value}" if value else "")

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


def plain_algorithms(others):
    """An algorithm for each described command that no class in `others` is for."""
    known = {one.command for one in others}
    names = [name for name in commands() if name not in known]
    return [type(name.title(), (GeoXmodalAlgorithm,), {"command": name}) for name in names]


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


def _duration(seconds):
    if seconds < 60:
        return f"about {round(seconds)} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


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
