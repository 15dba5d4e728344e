"""What a finished run says of its sensors, read from its folder. Knows nothing of QGIS."""

from __future__ import annotations

import base64
import binascii
import json
from html.parser import HTMLParser
from pathlib import Path

MAX_BYTES = 64 << 20
"""Of a file of a run folder; larger ones are none that geo_xmodal writes."""
MAX_PICTURES = 3

MEASURES = (("oa", "Overall accuracy"), ("aa", "Average accuracy"), ("miou", "Mean IoU"))
"""Those that are shown, as metrics.json calls them."""


class RunError(Exception):
    """A folder is no finished run; the message says what to do."""


class RunResults:
    """What is shown of a run.

    Attributes:
        folder: The run folder.
        title: What was trained, on which scene.
        accuracy: Pairs of a measure's name and its value, with the standard deviation over repetitions.
        gains: By control, the gain over it in each of `MEASURES`, in percentage points.
        gain_note: What the figures of `gains` are, or why there are none.
        better: The control that is ahead, in a sentence; empty if none is.
        choice: What `auto` says of its choice; empty for other methods.
        candidates: Rows of `auto`: name, sees the auxiliary sensor, overall and average accuracy, weight.
        notes: What should be known beside the figures.
        pictures: Pairs of a caption and a PNG, from the report.
    """

    def __init__(self, folder):
        """Read a run.

        Args:
            folder: A run folder, or a file or the model folder in it.

        Raises:
            RunError: It is none that is finished, or a file in it cannot be read.
        """
        self.folder = _run_folder(Path(folder))
        metrics = _read_object(self.folder / "metrics.json")
        config = _read_object(self.folder / "config.json")
        try:
            self.title = _title(config)
            self.accuracy = _accuracy(metrics)
            self._gains(metrics)
            self._choice(metrics.get("choice") or {})
            self.notes = [str(note) for note in metrics.get("notes", [])]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.folder / 'metrics.json'} is not as geo_xmodal writes it ({error}): train again"
            ) from None
        self.pictures = _pictures(self.folder / "report.html")

    def _gains(self, metrics):
        gains = metrics.get("gain") or {}
        self.gains = {
            name.replace("_", " "): [_points(gain.get(key)) for key, _ in MEASURES]
            for name, gain in gains.items()
        }
        if not gains:
            self.gain_note = "Not measured: train with 'Controls' to know what the auxiliary sensor is worth."
        elif len(metrics.get("seeds", [])) > 1:
            self.gain_note = (
                "Percentage points, mean ± standard error over repetitions. Negative: the control is the "
                "better model."
            )
        else:
            self.gain_note = (
                "Percentage points of one repetition, so without a standard error: how much of it is luck, "
                "only several can tell. Negative: the control is the better model."
            )
        self.better = _better_control(gains)

    def _choice(self, choice):
        self.choice = str(choice.get("says", ""))
        self.candidates = [
            (
                str(one["name"]),
                "yes" if one["auxiliary"] else "no",
                *(_scored(one.get(key) or {}) for key in ("oa", "aa")),
                f"{one.get('weight') or 0:.2f}",
            )
            for one in choice.get("candidates", [])
        ]


def _run_folder(place):
    for folder in (place, place.parent):
        if (folder / "metrics.json").is_file() and (folder / "config.json").is_file():
            return folder
    raise RunError(
        f"{place} is no run that is finished, there is no metrics.json with a config.json in it: choose the "
        "folder that Train wrote"
    )


def _read_object(path):
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RunError(f"{path} has {size / 1e6:.0f} MB, expected at most {MAX_BYTES / 1e6:.0f}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}): train again") from None
    if not isinstance(found, dict):
        raise RunError(f"{path} holds no JSON object: train again")
    return found


def _title(config):
    scenes = config.get("scenes") or [config.get("scene")]
    names = [_scene_name(one) for one in scenes if one]
    title = " on ".join(filter(None, [str(config.get("method", "")), ", ".join(names)]))
    target, auxiliary = config.get("target"), config.get("auxiliary") or config.get("rich")
    helped = f", trained with {auxiliary}" if auxiliary else ""
    return title + (f": maps from {target}{helped}" if target else "")


def _scene_name(scene):
    """Of one seed it is an object, of several its name."""
    if isinstance(scene, dict):
        return str(scene.get("name")) + (" (simulated)" if scene.get("simulated") else "")
    return str(scene)


def _accuracy(metrics):
    mean, deviations = metrics.get("mean", metrics), metrics.get("sd", {})
    return [(label, _percent(mean.get(key), deviations.get(key))) for key, label in MEASURES]


def _percent(value, spread=None):
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" + ("" if spread is None else f" ± {100 * spread:.1f}")


def _scored(measure):
    value, error = measure.get("value"), measure.get("se")
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + ("" if error is None else f" ± {100 * error:.1f}")


def _points(gain):
    if not gain or gain["mean"] is None:
        return "-"
    return f"{100 * gain['mean']:+.1f}" + ("" if gain.get("se") is None else f" ± {100 * gain['se']:.1f}")


def _better_control(gains):
    """The control that is ahead by most in overall accuracy, and no more than its standard error bears."""
    measured = {name: one["oa"] for name, one in gains.items() if (one.get("oa") or {}).get("mean")}
    best = min(measured, key=lambda name: measured[name]["mean"], default=None)
    if best is None or measured[best]["mean"] >= 0:
        return ""
    loss, error = -measured[best]["mean"], measured[best].get("se")
    if error is None:
        said = "in one repetition, which may be luck"
    elif loss <= error:
        said = "which is within the standard error"
    else:
        said = "the auxiliary sensor did not help here"
    return (
        f"The control {best.replace('_', ' ')} is ahead by {100 * loss:.1f} percentage points of overall "
        f"accuracy: {said}."
    )


class _Figures(HTMLParser):
    """The images in the figures of a report; a figure's own image is its first."""

    def __init__(self):
        super().__init__()
        self.found = []
        self._waits = False

    def handle_starttag(self, tag, attributes):
        """Note the first image of a figure."""
        if tag == "figure":
            self._waits = True
        elif tag == "img" and self._waits:
            self._waits = False
            given = dict(attributes)
            self.found.append((given.get("alt") or "", given.get("src") or ""))


def _pictures(report):
    if not report.is_file() or report.stat().st_size > MAX_BYTES:
        return []
    figures = _Figures()
    figures.feed(report.read_text(encoding="utf-8", errors="replace"))
    made = []
    for caption, source in figures.found:
        head, _, body = source.partition(",")
        if head == "data:image/png;base64":
            try:
                made.append((caption, base64.b64decode(body, validate=True)))
            except binascii.Error:
                continue
    return made[:MAX_PICTURES]
