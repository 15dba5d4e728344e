"""What a STAC Item says of a model: the Machine Learning Model extension (MLM)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pystac
from pystac.extensions.mlm import (
    AssetGeneralMLMExtension,
    Hyperparameters,
    InputStructure,
    MLMExtension,
    ModelInput,
    ModelOutput,
    ProcessingExpression,
    ResultStructure,
    TaskType,
)
from pystac.extensions.raster import DataType, RasterBand, RasterExtension

from geo_xmodal.bundle import CARD, WEIGHTS, Card, bundle_folder, load
from geo_xmodal.export.stac_map import classification, relative_address

_TASK = TaskType.SEMANTIC_SEGMENTATION


def describe_model(item: pystac.Item, folder: Path, out: Path) -> list[str]:
    """Fill an item with a model.

    Args:
        item: Has an id and a date.
        folder: A bundle or a run folder.
        out: Where the item will lie; addresses are relative to it.

    Returns:
        Lines that the user should see: none, as a model has no place of its own.

    Raises:
        BundleError: There is no usable model.
    """
    bundle = load(folder)
    card = bundle.card
    place = bundle_folder(folder)
    item.properties["description"] = _description(card)
    MLMExtension.ext(item, add_if_missing=True).apply(
        name=_name(item.id),
        architecture=card.network.name,
        tasks=[_TASK],
        framework="PyTorch",
        memory_size=(place / WEIGHTS).stat().st_size,
        total_parameters=bundle.model.size,
        pretrained=True,
        pretrained_source=card.scene,
        accelerator_constrained=False,
        input=[_input(card)],
        output=[_output(card)],
        hyperparameters=_hyperparameters(card),
    )
    item.properties["mlm:accelerator"] = None  # any; pystac leaves out what is None
    weights = pystac.Asset(
        relative_address(place / WEIGHTS, out),
        title="Weights",
        media_type="application/vnd.safetensors",
        roles=["mlm:model", "mlm:weights"],
    )
    item.add_asset("weights", weights)
    AssetGeneralMLMExtension.ext(weights).artifact_type = "safetensors.torch.save"
    bands = [RasterBand({"name": name, "data_type": DataType.FLOAT32}) for name in card.statistics.bands]
    RasterExtension.ext(weights, add_if_missing=True).apply(bands)  # MLM looks for its bands there
    card_asset = pystac.Asset(
        relative_address(place / CARD, out),
        title="Card: network, sensor, statistics, classes, how trained",
        media_type=pystac.MediaType.JSON,
        roles=["metadata"],
    )
    item.add_asset("card", card_asset)
    return []


def _description(card: Card) -> str:
    scene = f"scenes {card.trained_on}" if card.scenes else f"scene {card.scene}"
    made_up = " (simulated)" if card.simulated and not card.scenes else ""
    auxiliary = f" with the help of {card.auxiliary}" if card.auxiliary else ""
    return (
        f"Maps {len(card.classes)} land-cover classes from {card.target.modality} ({card.target.kind}); "
        f"trained by method {card.method} on {scene}{made_up}{auxiliary}"
    )


def _name(text: str) -> str:
    """A name as MLM takes it: a letter first, letters and digits at the end, at least three."""
    cleaned = re.sub(r"[^a-zA-Z0-9_.\-\s]", "-", text).strip("-_. ")
    return cleaned if re.fullmatch(r"[a-zA-Z].+[a-zA-Z0-9]", cleaned) else f"model-{cleaned or 'geo-xmodal'}"


def _input(card: Card) -> ModelInput:
    columns = {"band": card.statistics.bands} | card.target.statistics.model_dump(exclude={"bands"})
    statistics = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return ModelInput.create(
        name=card.target.modality,
        bands=list(card.statistics.bands),
        input=InputStructure.create(
            [-1, len(card.statistics.bands), -1, -1],
            ["batch", "bands", "height", "width"],
            DataType.FLOAT32,
        ),
        description=(
            f"Raw values of {card.target.sensor or card.target.kind}, NaN where there are none, with "
            f"{card.margin} pixels more on each side than comes out. The model standardises them itself: "
            "pre_processing_function says how, it is not to be applied again."
        ),
        pre_processing_function=ProcessingExpression.create("geo_xmodal-band-statistics", statistics),
    )


def _output(card: Card) -> ModelOutput:
    return ModelOutput.create(
        name="class logits",
        tasks=[_TASK],
        result=ResultStructure.create(
            [-1, len(card.classes), -1, -1], ["batch", "classes", "height", "width"], DataType.FLOAT32
        ),
        description="Softmax over the classes gives probabilities; the largest is the class" + _shares(card),
        classes=[classification(entry) for entry in card.legend],
    )


def _shares(card: Card) -> str:
    """Of which class shares the probabilities are, and how they become those of others."""
    if card.shares is None:
        return ""
    learned = ", ".join(f"{one:.4g}" for one in card.shares.learned)
    return (
        f". They hold where classes have the shares {learned}; for others, add {card.shares.temperature:.4g} "
        f"times the logarithm of wanted over these shares (by default: {card.shares.default})"
    )


def _hyperparameters(card: Card) -> Hyperparameters | None:
    """Network and training settings as plain entries; names as MLM takes them."""
    values: dict[str, Any] = {"method": card.method, "margin": card.margin, **card.network.options}
    options = card.training.get("options")
    if isinstance(options, dict):
        values |= {f"training.{name}": value for name, value in options.items()}
    clean = {re.sub(r"[^0-9a-zA-Z_.-]", "_", name): value for name, value in values.items()}
    return Hyperparameters.create(**clean)
