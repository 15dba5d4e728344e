from __future__ import annotations

import base64
import dataclasses
import html.parser
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from geo_xmodal.accuracy import (
    Calibration,
    ConfusionMatrix,
    Curve,
    Groups,
    Metrics,
    Picture,
    Report,
    area_estimates,
    curves_from_log,
    metrics,
    render_report,
)
from geo_xmodal.errors import LabelError
from geo_xmodal.types import LandClass

CLASSES = (
    LandClass(2, "Forest", "#1b7837"),
    LandClass(5, "Water", "#2b83ba"),
    LandClass(9, "Soil", "#ffee99"),
)
SECTIONS = [
    "map",
    "pictures",
    "gain",
    "classes",
    "confusion",
    "areas",
    "reliability",
    "training",
    "run",
    "measures",
]
IDS = np.array([[2, 2, 5, 0], [2, 5, 5, 0]], np.uint8)
_VOID = {"meta", "img", "link", "br"}


class Page(html.parser.HTMLParser):
    """What a browser would find: tags with attributes, text of the body, balance of tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and "head" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[ \n]+", " ", " ".join(self.words))

    @property
    def sections(self) -> list[str | None]:
        return [attributes.get("id") for tag, attributes in self.tags if tag == "section"]

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def run(*right: int) -> Metrics:
    counts = np.diag(right) + np.array([[0, 10, 0], [5, 0, 0], [0, 0, 0]])
    return metrics(ConfusionMatrix.from_counts(counts), CLASSES)


def full_report() -> Report:
    calibration = Calibration()
    calibration.add(np.array([0.9, 0.8, 0.55]), np.array([True, True, False]))
    sample = ConfusionMatrix.from_counts([[40, 2, 0], [1, 50, 1], [0, 0, 9]])
    return Report(
        title="Berlin from SAR alone",
        classes=CLASSES,
        runs=(run(90, 80, 10), run(91, 81, 11), run(93, 80, 12)),
        seeds=(4, 5, 6),
        method="hgr",
        simulated=True,
        transductive=True,
        description={"Scene": "berlin", "Margin": "3 pixels"},
        command="geo-xmodal train --scene berlin --seeds 3",
        groups=Groups(60, 7, 1100, 6000, 20),
        overlap_share=0.125,
        unmapped=17,
        controls={
            "target_only": (run(40, 30, 5), run(41, 30, 5), run(42, 31, 5)),
            "self_training": (run(90, 80, 10), run(92, 81, 11), run(92, 81, 11)),
        },
        losses=(Curve("soft_hgr", (1, 2, 3), (0.5, -1.0, -2.5)),),
        validation=(Curve("validation", (1, 2, 3), (0.5, 0.6, 0.613)),),
        reliability=calibration.curve,
        map=Picture(IDS, "Classified from SAR alone.", pixel_size=250.0),
        pictures=(Picture(np.full((3, 4, 3), 77, np.uint8), "The target sensor."),),
        areas=area_estimates(sample, CLASSES, [400, 520, 100], 0.09),
    )


def test_every_section_is_there_when_its_data_are():
    assert Page(render_report(full_report())).sections == SECTIONS


def teacher(may_teach: bool) -> dict[str, object]:
    def row(name: str, sensors: str, oa: float) -> dict[str, object]:
        measure = {"value": oa, "se": 0.031}
        scores = {"oa": measure, "aa": measure, "log_loss": {"value": 0.4, "se": None}, "n": 70}
        return {
            "name": name,
            "title": f"the {name}",
            "sensors": sensors,
            "view": "near",
            "seconds": 1.25,
        } | scores

    rows = [
        row("svm", "both", 0.812),
        row("average", "both", 0.834) | {"view": None},
        row("svm", "target", 0.6),
    ]
    return {
        "may_teach": may_teach, "why": "the teacher may teach: <b>12</b>", "chosen": "average",
        "target_only": "svm", "folds": "5 folds", "candidates": rows,
    }  # fmt: skip


def test_the_teacher_is_shown_beside_the_target_sensor_alone():
    runs = [{**one, "teacher": teacher(True)} for one in full_report().runs]
    page = Page(render_report(dataclasses.replace(full_report(), runs=tuple(runs))))
    assert "teacher" in page.sections
    assert "Seed 4: the teacher may teach: <b>12</b>" in page.text
    assert "81.2" in page.text and "± 3.1" in page.text
    assert "the average (chosen)" in page.text.replace("  ", " ")
    assert "the svm (best)" in page.text.replace("  ", " ")
    nothing = {"may_teach": False, "why": "it cannot be judged", "candidates": [], "chosen": None}
    runs = [{**full_report().runs[0], "teacher": nothing}]
    one = dataclasses.replace(full_report(), runs=tuple(runs), seeds=(0,), controls={})
    assert "It cannot be judged." in Page(render_report(one)).text


@pytest.mark.parametrize(
    ("without", "gone"),
    [
        ({"map": None}, "map"),
        ({"pictures": ()}, "pictures"),
        ({"controls": {}}, "gain"),
        ({"areas": None}, "areas"),
        ({"reliability": ()}, "reliability"),
        ({"reliability": Calibration().curve}, "reliability"),
        ({"losses": (), "validation": ()}, "training"),
    ],
)
def test_a_section_without_data_is_left_out(without, gone):
    page = Page(render_report(dataclasses.replace(full_report(), **without)))
    assert page.sections == [name for name in SECTIONS if name != gone]


def test_a_title_alone_is_a_page():
    page = Page(render_report(Report("Nothing yet", ())))
    assert page.sections == []
    assert "Nothing yet" in page.text
    assert "SIMULATED" not in page.text
    assert "REAL SCENE" not in page.text


def test_the_page_needs_nothing_else():
    source = render_report(full_report())
    page = Page(source)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", source))
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "a", "base"} == set()
    assert page.attributes("src")
    assert all(source.startswith("data:image/png;base64,") for source in page.attributes("src"))
    assert page.attributes("href") == []


HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>\' onload="y" {{ 7 * 7 }}'


def test_names_from_outside_stay_words():
    report = full_report()
    hostile = dataclasses.replace(
        report,
        title=HOSTILE,
        classes=tuple(LandClass(land.id, HOSTILE, land.color) for land in CLASSES),
        method=HOSTILE,
        description={HOSTILE: HOSTILE},
        command=HOSTILE,
        controls={HOSTILE: report.controls["target_only"]},
        losses=(Curve(HOSTILE, (1,), (1.0,)),),
        map=dataclasses.replace(report.map, caption=HOSTILE),
        pictures=(dataclasses.replace(report.pictures[0], caption=HOSTILE),),
        runs=tuple({**one, "split": HOSTILE} for one in report.runs),
        area_unit=HOSTILE,
    )
    page, plain = Page(render_report(hostile)), Page(render_report(report))
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}
    assert {name for _, attributes in page.tags for name in attributes} == {
        name for _, attributes in plain.tags for name in attributes
    }
    assert "{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize("color", ["red", "#12345", "#1234567", "#123456;}", "url(x)", "#123456\n"])
def test_a_colour_that_is_none_is_refused(color):
    with pytest.raises(LabelError, match=r"class 2 has colour .* expected #rrggbb"):
        render_report(Report("x", (LandClass(2, "Forest", color),)))


def test_the_figures_are_means_and_spreads_over_seeds():
    text = Page(render_report(full_report())).text
    # oa: 180/195, 183/198, 185/200 -> mean 92.41 %, sd 0.10.
    assert "Overall accuracy 92.4\u202f%, standard deviation 0.1 over 3 seeds" in text
    assert "195 to 200 reference pixels (test)" in text
    # Forest, recall 90/100, 91/101, 93/103; 274 of 304 pixels over the seeds.
    assert "90.1 ± 0.1" in text
    assert "17 reference pixels lie where the map has no data" in text
    assert re.search(r"90 Forest mapped as Forest: 274 pixels \(90\.1.%\) 274", text)


def test_what_the_run_was_is_told():
    text = Page(render_report(full_report())).text
    for words in (
        "SIMULATED", "TRANSDUCTIVE", "Scene berlin", "Labelled 60 7", "Unlabelled 1,100 6,000",
        "20 more, labelled, are held out", "touch a training patch 12.5", "geo-xmodal train --scene berlin",
    ):  # fmt: skip
        assert words in text
    assert re.findall(r"\b([456]) 92\.\d", text) == ["4", "5", "6"]


def test_a_real_scene_says_so():
    page = Page(render_report(dataclasses.replace(full_report(), simulated=False, transductive=False)))
    assert "REAL SCENE" in page.text
    assert "SIMULATED" not in page.text
    assert "TRANSDUCTIVE" not in page.text


def verdict(ours: list[float], **controls: list[float]) -> str:
    def runs(values: list[float]) -> tuple[Metrics, ...]:
        return tuple({**run(9, 9, 9), "oa": value, "aa": value} for value in values)

    report = Report("x", CLASSES, runs(ours), controls={name: runs(v) for name, v in controls.items()})
    text = Page(render_report(report)).text
    return re.search(r"Overall accuracy: (.*?\.)", text).group(1)


@pytest.mark.parametrize(
    ("self_training", "words"),
    [
        ([0.60, 0.61, 0.60], "a gain over the target-only control and the self-training control."),
        ([0.70, 0.74, 0.72], "no gain shown over the self-training control."),
        ([0.80, 0.82, 0.81], "a loss against the self-training control."),
    ],
)
def test_whether_there_is_a_gain_is_said_in_words(self_training, words):
    ours = [0.70, 0.72, 0.71]
    assert verdict(ours, target_only=[0.5, 0.51, 0.5], self_training=self_training) == words


def test_one_seed_decides_nothing():
    assert verdict([0.9], target_only=[0.1]).startswith("measured once")


def test_undefined_measures_are_dashes_and_do_not_fail():
    empty = metrics(ConfusionMatrix(3), CLASSES)
    page = Page(render_report(Report("x", CLASSES, (empty,), controls={"target_only": (empty,)})))
    assert "Overall accuracy –, on 0 reference pixels (test)" in page.text
    assert "nan" not in page.text.lower()


def decoded(uri: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_the_map_has_the_colours_of_the_legend():
    page = Page(render_report(full_report()))
    picture = decoded(page.attributes("src")[0])
    assert picture.shape == (2, 4, 4)
    assert picture[0, 0].tolist() == [0x1B, 0x78, 0x37, 255]
    assert picture[1, 1].tolist() == [0x2B, 0x83, 0xBA, 255]
    assert picture[0, 3, 3] == 0
    assert re.search(r"2 Forest 50\.0.% 5 Water 50\.0.% 9 Soil not on the map", page.text)
    # Four pixels of 250 m: a bar of 200 m is a fifth of the width.
    assert "200 m" in page.text
    assert "width: 20.0%" in page.attributes("style")


def test_a_silhouette_shows_one_class_without_colour():
    page = Page(render_report(full_report()))
    sources = {attributes["alt"]: attributes["src"] for tag, attributes in page.tags if tag == "img"}
    assert (decoded(sources["Where Forest is mapped"])[..., 0] < 128).tolist() == (IDS == 2).tolist()
    assert "Where Soil is mapped" not in sources


def test_shares_of_the_whole_map_win_over_those_of_its_picture():
    text = Page(render_report(dataclasses.replace(full_report(), mapped_pixels={2: 30, 5: 10, 9: 60}))).text
    assert re.search(r"2 Forest 30\.0.% 5 Water 10\.0.% 9 Soil 60\.0.%", text)


def test_a_large_picture_is_reduced():
    ids = np.full((40, 4000), 5, np.uint8)
    page = Page(render_report(Report("x", CLASSES, map=Picture(ids, "wide"))))
    assert decoded(page.attributes("src")[0]).shape == (16, 1600, 4)


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 2)), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2), np.uint8)]
)
def test_what_is_no_picture_is_refused(pixels):
    with pytest.raises(ValueError, match="a picture is"):
        Picture(pixels, "x")


@pytest.mark.parametrize("values", [(), (1.0,), (1.0, float("nan"))])
def test_what_is_no_curve_is_refused(values):
    with pytest.raises(ValueError, match="curve loss"):
        Curve("loss", (1, 2), values)


def test_a_flat_curve_and_one_epoch_can_be_drawn():
    curves = (Curve("flat", (1, 2), (0.0, 0.0)), Curve("short", (1,), (3.0,)))
    assert Page(render_report(Report("x", (), losses=curves))).sections == ["training"]


def test_curves_come_from_log_rows():
    rows = [
        {"event": "start"},
        {"epoch": 1, "loss": {"supervised": 1.5, "total": 2}, "validation": 0.5, "done": True},
        {"epoch": 2, "loss": {"supervised": 1.0, "total": float("nan")}, "validation": None},
    ]
    assert curves_from_log(json.loads(json.dumps(rows))) == (
        Curve("supervised", (1.0, 2.0), (1.5, 1.0)),
        Curve("total", (1.0,), (2.0,)),
        Curve("validation", (1.0,), (0.5,)),
    )


def test_runs_must_fit_the_report():
    with pytest.raises(ValueError, match="2 seeds for 1 runs"):
        render_report(Report("x", CLASSES, (run(1, 1, 1),), seeds=(1, 2)))
    with pytest.raises(ValueError, match="the report's 1 classes"):
        render_report(Report("x", CLASSES[:1], (run(1, 1, 1),)))


def test_the_same_report_is_the_same_page():
    assert render_report(full_report()) == render_report(full_report())
