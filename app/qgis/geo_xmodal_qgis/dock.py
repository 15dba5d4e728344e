"""The panel that shows which sensor helped: gains over controls, candidates of auto, the map."""

from __future__ import annotations

from html import escape
from pathlib import Path

from qgis.gui import QgsDockWidget, QgsFileWidget
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices, QImage, QTextDocument
from qgis.PyQt.QtWidgets import QPushButton, QTextBrowser, QVBoxLayout, QWidget

from .run_results import RunError, RunResults

TITLE = "geo_xmodal: which sensor helped"
_PICTURE_WIDTH = 320
_SHORT = ("Overall", "Average", "Mean IoU")
"""The measures of a run as heads of narrow columns."""


class SensorDock(QgsDockWidget):
    """Shows one run at a time."""

    def __init__(self, parent=None):
        super().__init__(TITLE, parent)
        self.setObjectName("geo_xmodal_sensors")
        self.results = None
        self.chooser = QgsFileWidget()
        self.chooser.setStorageMode(QgsFileWidget.GetDirectory)
        self.chooser.setDialogTitle("Run folder of geo_xmodal")
        self.chooser.lineEdit().setPlaceholderText("Run folder, as Train wrote it")
        self.chooser.fileChanged.connect(self._chosen)
        self.page = QTextBrowser()
        self.page.setOpenLinks(False)
        self.report = QPushButton("Open the report")
        self.report.setEnabled(False)
        self.report.clicked.connect(self._open_report)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        for widget in (self.chooser, self.page, self.report):
            layout.addWidget(widget)
        self.setWidget(inside)
        self.page.setHtml("<p>Choose the folder of a run, or train a model: its results show here.</p>")

    def show_run(self, folder):
        """Show a run, whether it is the one that is shown already or not, and come to the front."""
        self.chooser.blockSignals(True)
        self.chooser.setFilePath(str(folder))
        self.chooser.blockSignals(False)
        self._chosen(str(folder))
        self.setUserVisible(True)

    def _chosen(self, folder):
        self.results = None
        if folder.strip():
            try:
                self.results = RunResults(Path(folder.strip()))
                self._fill(self.results)
            except RunError as error:
                self.page.setHtml(f"<p>{escape(str(error))}</p>")
        self.report.setEnabled(self.results is not None and self._report().is_file())

    def _fill(self, results):
        document = self.page.document()
        document.clear()
        pictures = []
        for number, (caption, png) in enumerate(results.pictures):
            image = QImage.fromData(png, "PNG")
            if image.isNull():
                continue
            document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(f"picture:{number}"), image)
            width = min(image.width(), _PICTURE_WIDTH)
            pictures.append(f'<p><img src="picture:{number}" width="{width}"><br>{escape(caption)}</p>')
        self.page.setHtml(page_of(results) + "".join(pictures))

    def _report(self):
        return self.results.folder / "report.html"

    def _open_report(self):
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._report())))


def page_of(results):
    """The figures of a run as HTML."""
    parts = [f"<h3>{escape(results.title)}</h3>", _table(["On the test pixels", ""], results.accuracy)]
    parts.append("<h4>What the auxiliary sensor is worth</h4>")
    if results.gains:
        rows = [[control, *gains] for control, gains in results.gains.items()]
        parts.append(_table(["Gain over", *_SHORT], rows))
    parts.append(f"<p>{escape(results.gain_note)}</p>")
    if results.better:
        parts.append(f"<p><b>{escape(results.better)}</b></p>")
    if results.choice:
        parts.append(f"<h4>How the method was chosen</h4><p>{escape(results.choice)}</p>")
        parts.append(_table(["Candidate", "Aux.", *_SHORT[:2], "Weight"], results.candidates))
        parts.append(
            "<p>Overall and average accuracy in percent ± standard error, on held-out labels of training; no "
            "test pixel had a part in it. Aux.: whether it sees the auxiliary sensor. Weight: in the "
            "average that maps.</p>"
        )
    parts += [f"<p><i>{escape(note)}</i></p>" for note in results.notes]
    return "".join(parts)


def _table(head, rows):
    titles = "".join(f"<th align='left' style='white-space:pre'>{escape(one)}</th>" for one in head)
    cells = ["".join(f"<td style='white-space:pre'>{escape(str(one))}</td>" for one in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table cellpadding='3'><tr>{titles}</tr>{body}</table>"
