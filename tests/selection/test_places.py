import dataclasses

import numpy as np

from geo_xmodal.selection import labelled_places
from tests.training_data import make_training_data


def test_labelled_pixels_are_pairs_first_of_one_scene():
    data = make_training_data(0)
    places = labelled_places(data)
    pairs = len(data.labelled_pairs)
    assert len(places) == pairs + len(data.labelled_target)
    assert np.array_equal(places.label[:pairs], data.labelled_pairs.label)
    assert np.array_equal(places.position[pairs:], data.labelled_target.position)
    assert not places.scene.any()


def test_the_scene_of_each_pixel_follows_from_the_counts_of_scenes_that_train():
    data = make_training_data(0)
    counts = [{"labelled_pairs": 5, "labelled_target": 4}, {"labelled_pairs": 7, "labelled_target": 8}]
    scenes = {"a": {"counts": counts[0]}, "held": {"held_out": True}, "b": {"counts": counts[1]}}
    places = labelled_places(dataclasses.replace(data, notes={"scenes": scenes}))
    assert places.scene.tolist() == [0] * 5 + [1] * 7 + [0] * 4 + [1] * 8


def test_pairs_alone_may_be_all():
    data = make_training_data(0)
    none = data.labelled_target.take(np.empty(0, np.int64))
    assert len(labelled_places(dataclasses.replace(data, labelled_target=none))) == len(data.labelled_pairs)


def test_scenes_are_known_without_the_auxiliary_sensor_too():
    data = make_training_data(0)
    counts = [{"labelled_pairs": 5, "labelled_target": 4}, {"labelled_pairs": 7, "labelled_target": 8}]
    scenes = {name: {"counts": one} for name, one in zip("ab", counts, strict=True)}
    alone = dataclasses.replace(data, notes={"scenes": scenes}).without_auxiliary()
    assert labelled_places(alone).scene.tolist() == [0] * 5 + [1] * 7 + [0] * 4 + [1] * 8
