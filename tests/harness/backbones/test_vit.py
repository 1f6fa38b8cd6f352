"""Vision transformers of both libraries, tiny and made here: features, prompts, files, strategies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import resolve_model_data_config
from timm.models import save_for_hf
from transformers import ViTConfig, ViTMAEConfig, ViTMAEForPreTraining, ViTModel

from advisor.errors import ModelError, SpecError
from harness.backbones.base import PromptSpec, View
from harness.backbones.vit import VitBackbone
from harness.backbones.vit_trainee import blocks_of, tokens_of
from harness.catalog import STRATEGIES
from harness.datasets.base import Split
from harness.models import load_backbone, resolve_model
from harness.strategies.base import DataFacts, Strategy, TrialBudget
from harness.strategies.soft_prompt import SoftPrompting
from harness.tasks.classification import Classification
from tests.harness.tiny_models import CPU, save_images

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
TASK = Classification(("red", "blue"))


def save_vit(folder: Path) -> Path:
    torch.manual_seed(0)
    ViTModel(ViTConfig(**SHAPE), add_pooling_layer=False).save_pretrained(folder)
    return folder


def save_mae(folder: Path) -> Path:
    torch.manual_seed(0)
    decoder = {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1,
               "decoder_num_attention_heads": 2, "decoder_intermediate_size": 32}  # fmt: skip
    ViTMAEForPreTraining(ViTMAEConfig(**SHAPE, **decoder)).save_pretrained(folder)
    return folder


def save_timm(folder: Path) -> Path:
    torch.manual_seed(0)
    model = timm.create_model(
        "test_vit", num_classes=0, pretrained_cfg_overlay={"mean": (0.5,) * 3, "std": (0.5,) * 3}
    )
    save_for_hf(model, str(folder), safe_serialization=True)
    return folder


SAVED: dict[str, Callable[[Path], Path]] = {"vit": save_vit, "mae": save_mae, "timm": save_timm}


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


@pytest.fixture(params=SAVED)
def backbone(request: pytest.FixtureRequest, tmp_path: Path) -> VitBackbone:
    return loaded(request.param, tmp_path / "model")


def loaded(kind: str, folder: Path) -> VitBackbone:
    found = load_backbone(resolve_model(str(SAVED[kind](folder))), CPU)
    assert isinstance(found, VitBackbone)
    return found


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "images").mkdir()
    return save_images(tmp_path / "images", 6, side=40)


def test_facts_come_from_the_configuration(tmp_path: Path) -> None:
    vit, mae, net = (resolve_model(str(SAVED[k](tmp_path / k))) for k in ("vit", "mae", "timm"))
    assert {one.family for one in (vit, mae, net)} == {"vit"}
    assert (vit.layers, vit.width, vit.image_size) == (2, 32, 32)
    assert mae.objective == "masked_autoencoder"
    assert vit.params == mae.params  # the autoencoder's decoder does not count
    backbone = load_backbone(net, CPU)
    assert (net.layers, net.width) == (len(blocks_of(backbone.model)), backbone.model.embed_dim)


def test_features_are_the_models_own_states(backbone: VitBackbone, files: list[Path]) -> None:
    pixels = backbone.reader.read(files)
    with torch.no_grad():
        if isinstance(backbone.model, ViTModel):
            output = backbone.model(pixels, output_hidden_states=True)
            last, first = output.last_hidden_state, output.hidden_states[0]
        else:
            last = backbone.model.forward_features(pixels)
            first = backbone.model._pos_embed(backbone.model.patch_embed(pixels))
    views = [View("cls"), View("mean"), View("cls_mean"), View("mean", 0)]
    found = backbone.views(files, views)
    patches = last[:, 1:].mean(dim=1)
    expected = torch.cat([last[:, 0], patches, last[:, 0], patches, first[:, 1:].mean(1)], dim=1)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_an_autoencoders_class_token_is_not_recommended(tmp_path: Path) -> None:
    assert loaded("mae", tmp_path / "mae").poolings[0] == "mean"
    assert loaded("vit", tmp_path / "vit").poolings[0] == "cls"


@pytest.mark.parametrize("kind", ["shallow", "deep"])
def test_a_prompt_joins_the_tokens_and_leaves_the_body(
    backbone: VitBackbone, files: list[Path], kind: str
) -> None:
    before = {k: v.clone() for k, v in backbone.model.state_dict().items()}
    trainee = backbone.trainee(TASK, prompt=PromptSpec(kind=kind, length=3))
    blocks = len(blocks_of(trainee.body))
    assert trainee.prompt.vectors.shape == (
        blocks if kind == "deep" else 1,
        3,
        backbone.facts.width,
    )
    pixels = trainee.encode(files)["pixels"]
    with torch.no_grad():
        plain = tokens_of(trainee.body, pixels)[-1]
        prompted = tokens_of(trainee.body, pixels, prompt=trainee.prompt)[-1]
    assert plain.shape == prompted.shape
    assert not torch.allclose(plain, prompted)
    trainee.loss({"pixels": pixels}, torch.tensor([0, 1] * 3)).backward()
    trained = {name for name, p in trainee.named_parameters() if p.grad is not None}
    assert trained == {"prompt.vectors", "head.weight", "head.bias"}
    assert (trainee.prompt.vectors.grad.flatten(1).norm(dim=1) > 0).all()
    assert all(torch.equal(v, before[k]) for k, v in backbone.model.state_dict().items())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompt": PromptSpec(kind="prefix")}, "must be 'shallow' or 'deep'; got 'prefix'"),
        ({"prompt": PromptSpec(kind="deep", length=0)}, "at least 1 vector; got length 0"),
        ({"pooling": "max"}, "pooling must be one of cls, mean, cls_mean; got 'max'"),
        ({"form": "words"}, "form must be one of"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, asked: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        loaded("vit", tmp_path / "model").trainee(TASK, **asked)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "model")
    facts = resolve_model(str(folder))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded from"):
        load_backbone(facts, CPU)


def colours(folder: Path, n: int) -> Split:
    """Noise that is a little redder or a little bluer."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(len(folder.name))
    files = []
    for index in range(n):
        pixels = draw.integers(0, 200, (40, 40, 3), dtype=np.uint8)
        pixels[:, :, 2 * (index % 2)] += 50
        files.append(folder / f"{index}.png")
        Image.fromarray(pixels).save(files[-1])
    return Split(tuple(files), np.arange(n) % 2, tuple(map(str, files)))


SETTINGS: dict[str, dict[str, object]] = {
    "full_finetune": {"learning_rate": 1e-3, "epochs": 6, "batch_size": 8},
    "soft_prompt": {"learning_rate": 0.1, "epochs": 8, "length": 8},
    "lora": {"learning_rate": 2e-2, "epochs": 8, "batch_size": 8},
    "ia3": {"learning_rate": 0.1, "epochs": 10, "batch_size": 8},
    "lp_ft": {"learning_rate": 1e-3, "epochs": 4, "batch_size": 8},
    "from_scratch": {"learning_rate": 3e-3, "epochs": 8, "batch_size": 8},
}


def works() -> list[str]:
    facts = resolve_facts()
    data = DataFacts(40, 2, "image", named_labels=True, description=False)
    return [
        name
        for name in STRATEGIES.names()
        if STRATEGIES.load(name).feasible(facts, TASK, data).feasible
    ]


def resolve_facts():
    from harness.backbones.base import ModelFacts

    return ModelFacts("vit", "vit", 1000, 2, 32, "image", image_size=32)


def test_all_strategies_but_words_work() -> None:
    assert set(works()) == set(STRATEGIES.names()) - {"hard_prompt"}


@pytest.mark.parametrize("name", works())
def test_every_strategy_learns_and_predicts_the_same_once_loaded(name: str, tmp_path: Path) -> None:
    train, validation, test = (
        colours(tmp_path / part, n) for part, n in (("train", 48), ("validating", 16), ("t", 40))
    )
    backbone = loaded("vit", tmp_path / "model")
    kind = STRATEGIES.load(name)

    def fitted(rows: Split) -> Strategy:
        strategy = kind(**SETTINGS.get(name, {}))
        return strategy.fit(backbone, TASK, rows, validation, seed=0, budget=TrialBudget())

    tuned = fitted(train)
    said = tuned.predict(test.inputs)
    assert (said.argmax(axis=1) == test.targets).mean() >= 0.7
    (tmp_path / "kept").mkdir()
    tuned.save(tmp_path / "kept")
    again = kind.load(tmp_path / "kept", loaded("vit", tmp_path / "again"), TASK)
    assert np.array_equal(again.predict(test.inputs), said)


def test_shallow_prompts_learn_too(tmp_path: Path) -> None:
    train, validation = (colours(tmp_path / part, 32) for part in ("train", "validating"))
    backbone = loaded("vit", tmp_path / "model")
    tuned = SoftPrompting(kind="shallow", length=8, learning_rate=0.1, epochs=6).fit(
        backbone, TASK, train, validation, seed=0, budget=TrialBudget()
    )
    assert tuned.report_.chosen["kind"] == "shallow"
    losses = [point["validation_loss"] for point in tuned.report_.curve]
    assert min(losses) < losses[0]


def test_the_search_starts_with_deep_prompts() -> None:
    space = SoftPrompting.space(resolve_facts(), TASK, DataFacts(40, 2, "image", True, False))
    assert space.first[0]["kind"] == "deep"
    assert "position" not in space.distributions


def test_a_folder_that_timm_wrote_is_known(tmp_path: Path) -> None:
    backbone = loaded("timm", tmp_path / "model")
    config = resolve_model_data_config(backbone.model)
    assert backbone.reader.size == tuple(config["input_size"][1:])


def test_patches_can_be_left_out_while_training(tmp_path: Path, files: list[Path]) -> None:
    trainee = loaded("mae", tmp_path / "model").trainee(TASK)
    batch = trainee.encode(files)
    seen: list[int] = []
    blocks_of(trainee.body)[0].register_forward_pre_hook(
        lambda module, given: seen.append(given[0].shape[1])
    )
    trainee.mask_ratio = 0.75
    trainee.train().pooled(batch)
    trainee.eval().pooled(batch)
    assert seen == [1 + 4, 1 + 16]


def test_only_masked_autoencoders_search_the_mask_and_start_without(tmp_path: Path) -> None:
    from harness.strategies.full_finetune import FullFineTuning

    data = DataFacts(40, 2, "image", named_labels=True, description=False)
    mae, vit = (resolve_model(str(SAVED[k](tmp_path / k))) for k in ("mae", "vit"))
    space = FullFineTuning.space(mae, TASK, data)
    assert "mask_ratio" in space.distributions
    assert all(point["mask_ratio"] == 0.0 for point in space.first)
    assert "mask_ratio" not in FullFineTuning.space(vit, TASK, data).distributions
