"""How recipes compare on blocks of training labels that are held out: what defaults are chosen by.

    python scripts/validation_blocks.py SCENE [METHOD] [seeds=N] [labels=N] [margin=N] [KEY=VALUE ...]

Two fifths of the scene's training labels, in blocks, are held out; the others and 6,000 unlabelled pairs
train, and the model is scored on the blocks, from the target sensor alone. Every recipe sees the same blocks,
whatever its patch, up to a radius of `margin` pixels (10). Prints overall and average accuracy, mean and
standard deviation over seeds, each with blocks of its own. No test pixel is looked at.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

import geo_xmodal as gx
from geo_xmodal.methods import METHODS, Learner
from geo_xmodal.samples import GatherOptions, gather
from geo_xmodal.training.loop import fit
from geo_xmodal.training.request import options_for
from geo_xmodal.types import PixelGroup

HELD_OUT = 0.4
PAIRS = 6000


def scored(learner: Learner, held_out: PixelGroup) -> tuple[float, float]:
    label, model = held_out.label, learner.pixel_model()
    assert label is not None
    classes = model.probabilities(torch.from_numpy(held_out.target)).flatten(1).argmax(1).numpy()
    recalls = [(classes[label == one] == one).mean() for one in np.unique(label)]
    return 100 * float((classes == label).mean()), 100 * float(np.mean(recalls))


def main() -> None:
    settings = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    words = [word for word in sys.argv[1:] if "=" not in word]
    if not words:
        sys.exit(__doc__)
    seeds, labels = int(settings.pop("seeds", 3)), settings.pop("labels", None)
    margin = int(settings.pop("margin", 10))
    method = METHODS[words[1] if len(words) > 1 else "hgr"]
    scene, scores = gx.open_scene(words[0]), []
    options = options_for(method, settings, scene.modality(scene.target).kind)
    for seed in range(seeds):
        wanted = GatherOptions(
            margin=margin, auxiliary_margin=options.auxiliary_margin, labels_per_class=labels and int(labels),
            validation=HELD_OUT, unlabelled=PAIRS, unlabelled_target=PAIRS, seed=seed,
        )  # fmt: skip
        gathered = gather(scene, wanted)
        if not len(gathered.validation):
            sys.exit(f"no block is {2 * margin} pixels from training pixels: give a smaller margin=N")
        data = gathered.cropped(options.margin, options.auxiliary_margin)
        learner = method.learner(data if method.uses_auxiliary else data.without_auxiliary(), options, seed)
        fit(learner, options, seed)
        scores.append(scored(learner, data.validation))
    cells = [f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(np.mean(scores, 0), np.std(scores, 0), strict=True)]
    print(f"{words[0]} {method.name} {settings}: {' / '.join(cells)}")


if __name__ == "__main__":
    main()
