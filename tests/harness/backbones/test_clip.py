"""CLIP and SigLIP, tiny and made here, through the loading code of real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModel, AutoProcessor

from advisor.errors import ModelError, SpecError
from harness.backbones.abilities import ImageTextMatcher
from harness.backbones.base import PromptSpec, View
from harness.backbones.clip import ClipBackbone
from harness.backbones.vit_trainee import blocks_of, tokens_of
from harness.catalog import STRATEGIES
from harness.models import load_backbone, resolve_model
from harness.strategies.base import DataFacts, TrialBudget
from harness.strategies.full_finetune import FullFineTuning
from harness.strategies.soft_prompt import SoftPrompting
from harness.tasks.classification import Classification
from tests.harness.tiny_clip import (
    COLOURS,
    KINDS,
    PROJECTION,
    SIDE,
    TOKENS,
    WIDTH,
    colours,
    loaded,
    noisy,
    save_clip,
)
from tests.harness.tiny_models import CPU, save_images

TASK = Classification(COLOURS)
DATA = DataFacts(40, 3, "image", named_labels=True, description=False)


@pytest.fixture(autouse=True)
def _cache(empty_cache: Path) -> None:
    """Features are extracted anew."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backbone(kind: str, tmp_path: Path) -> ClipBackbone:
    return loaded(kind, tmp_path / "model")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """As large as the model reads them: nothing is scaled, so every library sees the same."""
    draw = np.random.default_rng(3)
    found = [tmp_path / f"{index}.png" for index in range(7)]
    for index, file in enumerate(found):
        noisy(index % 3, draw).save(file)
    return found


def test_facts_come_from_the_configuration(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_clip(kind, tmp_path / "model")
    whole = AutoModel.from_pretrained(folder)
    monkeypatch.setattr(
        type(whole), "from_pretrained", lambda *_, **__: pytest.fail("loaded weights")
    )
    facts = resolve_model(str(folder))
    assert (facts.family, facts.modality, facts.objective) == ("clip", "image", "contrastive")
    assert (facts.layers, facts.width, facts.image_size, facts.window) == (2, WIDTH, SIDE, None)
    assert facts.params == sum(p.numel() for p in whole.parameters())


def test_both_match_images_and_texts(backbone: ClipBackbone) -> None:
    assert isinstance(backbone, ImageTextMatcher)
    assert not backbone.model.training
    assert not any(p.requires_grad for p in backbone.model.parameters())


def test_matches_are_those_of_transformers(
    kind: str, backbone: ClipBackbone, files: list[Path], tmp_path: Path
) -> None:
    """Whose processor and model are used as their documentation shows."""
    texts = ["a photo of a red.", "blue", "a photo of the green and blue photos"]
    processor = AutoProcessor.from_pretrained(tmp_path / "model")
    padding = "longest" if kind == "clip" else "max_length"
    given = processor(
        text=texts, images=[Image.open(file) for file in files], padding=padding,
        max_length=TOKENS, return_tensors="pt",
    )  # fmt: skip
    with torch.no_grad():
        expected = AutoModel.from_pretrained(tmp_path / "model")(**given).logits_per_image
    found = backbone.match(
        backbone.features(files, pooling="projected"), backbone.text_vectors(texts)
    )
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)
    said = torch.tensor(found).softmax(dim=1).numpy()
    np.testing.assert_allclose(said, expected.softmax(dim=1).numpy(), atol=1e-5)


def test_images_are_scaled_as_the_processor_scales_them(
    backbone: ClipBackbone, tmp_path: Path
) -> None:
    (tmp_path / "large").mkdir()
    large = save_images(tmp_path / "large", 4, side=90)
    processor = AutoImageProcessor.from_pretrained(tmp_path / "model", backend="pil")
    expected = processor([Image.open(file) for file in large], return_tensors="pt").pixel_values
    np.testing.assert_allclose(backbone.reader.read(large), expected, atol=1e-3)


def test_features_are_the_models_own_states(backbone: ClipBackbone, files: list[Path]) -> None:
    pixels = backbone.reader.read(files)
    with torch.no_grad():
        output = backbone.tower(pixels, output_hidden_states=True)
    last = backbone.tower.post_layernorm(output.hidden_states[-1])
    patches = last[:, -16:].mean(dim=1)
    first = output.hidden_states[0][:, -16:].mean(dim=1)
    views = [View("cls"), View("mean"), View("cls_mean"), View("mean", 0)]
    pooled = output.pooler_output
    expected = torch.cat([pooled, patches, pooled, patches, first], dim=1)
    np.testing.assert_allclose(backbone.views(files, views), expected.detach(), atol=1e-5)


def test_the_shared_space_has_its_own_width_and_unit_length(
    kind: str, backbone: ClipBackbone, files: list[Path]
) -> None:
    found = backbone.features(files, pooling="projected")
    assert found.shape == (7, PROJECTION if kind == "clip" else WIDTH)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(backbone.text_vectors(["red", "a photo"]), axis=1), 1.0, atol=1e-6
    )


def test_what_else_is_in_the_batch_changes_nothing(
    backbone: ClipBackbone, files: list[Path]
) -> None:
    views = [View(pooling) for pooling in backbone.poolings]
    alone = np.concatenate([backbone.views([file], views) for file in files])
    np.testing.assert_allclose(backbone.views(files, views), alone, atol=1e-5)
    texts = ["red", "a photo of the very bright and truly good green", "blue"]
    each = np.concatenate([backbone.text_vectors([text]) for text in texts])
    np.testing.assert_allclose(backbone.text_vectors(texts), each, atol=1e-5)


def test_long_texts_are_cut(backbone: ClipBackbone) -> None:
    assert np.isfinite(backbone.text_vectors(["red and " * 60])).all()


@pytest.mark.parametrize("prompt", ["shallow", "deep"])
def test_a_visual_prompt_joins_the_tokens_and_leaves_the_body(
    backbone: ClipBackbone, files: list[Path], prompt: str
) -> None:
    trainee = backbone.trainee(TASK, prompt=PromptSpec(kind=prompt, length=3))
    assert trainee.prompt is not None
    assert trainee.prompt.vectors.shape == (2 if prompt == "deep" else 1, 3, WIDTH)
    pixels = trainee.encode(files)["pixels"]
    seen: list[int] = []
    blocks_of(trainee.body)[1].register_forward_pre_hook(
        lambda module, given: seen.append(given[0].shape[1])
    )
    with torch.no_grad():
        plain = tokens_of(trainee.body, pixels)[-1]
        prompted = tokens_of(trainee.body, pixels, prompt=trainee.prompt)[-1]
    assert seen[1] == seen[0] + 3
    assert plain.shape == prompted.shape == (7, 17, WIDTH)
    assert not torch.allclose(plain, prompted)
    trainee.loss({"pixels": pixels}, torch.tensor([0, 1, 2, 0, 1, 2, 0])).backward()
    trained = {name for name, p in trainee.named_parameters() if p.grad is not None}
    assert trained == {"prompt.vectors", "head.weight", "head.bias"}
    assert (trainee.prompt.vectors.grad.flatten(1).norm(dim=1) > 0).all()


def test_every_parameter_of_the_tower_is_in_a_group(backbone: ClipBackbone) -> None:
    trainee = backbone.trainee(TASK)
    groups = trainee.layer_groups()
    assert len(groups) == 2 + 3
    assert {id(p) for group in groups for p in group} == {id(p) for p in trainee.parameters()}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompt": PromptSpec(kind="prefix")}, "must be 'shallow' or 'deep'; got 'prefix'"),
        ({"pooling": "projected"}, "a head reads one of cls, mean, cls_mean; got 'projected'"),
        ({"form": "words"}, "form must be one of"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, asked: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        loaded("clip", tmp_path / "model").trainee(TASK, **asked)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (View("max"), "pooling must be one of cls, projected, mean, cls_mean; got 'max'"),
        (View("projected", 0), "'projected' exists of the last layer only; got layer 0"),
    ],
)
def test_views_that_cannot_be_are_refused(tmp_path: Path, view: View, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        loaded("clip", tmp_path / "model").views([], [view])


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    folder = save_clip("clip", tmp_path / "model")
    facts = resolve_model(str(folder))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"image-text model .* cannot be loaded from"):
        load_backbone(facts, CPU)


def test_weights_of_one_tower_alone_are_refused(tmp_path: Path) -> None:
    folder = save_clip("clip", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    seeing = {key: value for key, value in weights.items() if not key.startswith("text_model")}
    save_file(seeing, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ModelError, match=r"lack .* tensors of the model its config\.json describes"
    ):
        load_backbone(resolve_model(str(folder)), CPU)


def test_a_folder_without_a_processor_is_refused(tmp_path: Path) -> None:
    folder = save_clip("clip", tmp_path / "model")
    for file in (*folder.glob("*processor*"), *folder.glob("tokenizer*")):
        file.unlink()
    with pytest.raises(ModelError, match=r"image-text model .* cannot be loaded from"):
        load_backbone(resolve_model(str(folder)), CPU)


def test_siglip_2_of_variable_resolution_is_refused_with_what_to_use(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip2"}), encoding="utf-8")
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="use a checkpoint of one resolution"):
        resolve_model(str(tmp_path))


SETTINGS: dict[str, dict[str, object]] = {
    "full_finetune": {"learning_rate": 1e-3, "epochs": 3, "batch_size": 8},
    "soft_prompt": {"learning_rate": 0.1, "epochs": 6, "length": 4},
    "lora": {"learning_rate": 1e-2, "epochs": 5, "batch_size": 8},
    "ia3": {"learning_rate": 0.1, "epochs": 8, "batch_size": 8},
    "lp_ft": {"learning_rate": 1e-3, "epochs": 2, "batch_size": 8},
    "from_scratch": {"learning_rate": 3e-3, "epochs": 12, "batch_size": 8},
}


def test_every_strategy_works(tmp_path: Path) -> None:
    facts = resolve_model(str(save_clip("clip", tmp_path / "model")))
    for name in STRATEGIES.names():
        assert STRATEGIES.load(name).feasible(facts, TASK, DATA).feasible, name


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_every_strategy_learns_and_predicts_the_same_once_loaded(
    name: str, kind: str, tmp_path: Path
) -> None:
    train, validation, test = (
        colours(tmp_path / part, n) for part, n in (("train", 48), ("validating", 18), ("t", 30))
    )
    model = loaded(kind, tmp_path / "model")
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    strategy = STRATEGIES.load(name)(**SETTINGS.get(name, {}))
    tuned = strategy.fit(model, TASK, train, validation, seed=0, budget=TrialBudget())
    said = tuned.predict(test.inputs)
    assert (said.argmax(axis=1) == test.targets).mean() >= 0.7
    np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-6)
    assert all(torch.equal(v, before[k]) for k, v in model.model.state_dict().items())
    (tmp_path / "kept").mkdir()
    tuned.save(tmp_path / "kept")
    again = STRATEGIES.load(name).load(tmp_path / "kept", loaded(kind, tmp_path / "again"), TASK)
    np.testing.assert_array_equal(again.predict(test.inputs), said)


@pytest.mark.parametrize("prompt", ["shallow", "deep"])
def test_visual_prompts_learn(backbone: ClipBackbone, tmp_path: Path, prompt: str) -> None:
    """Vectors and head together; the vectors move, and the loss on unseen images falls."""
    train, validation = (colours(tmp_path / part, 30) for part in ("train", "validating"))
    started = backbone.trainee(TASK, prompt=PromptSpec(kind=prompt, length=4, seed=0)).prompt
    tuned = SoftPrompting(kind=prompt, length=4, learning_rate=0.03, epochs=4).fit(
        backbone, TASK, train, validation, seed=0, budget=TrialBudget()
    )
    losses = [point["validation_loss"] for point in tuned.report_.curve]
    assert min(losses) < 0.8 * losses[0]
    assert started is not None
    assert tuned.trainee_.prompt is not None
    assert (tuned.trainee_.prompt.vectors - started.vectors).abs().mean() > 1e-3


def test_searches_start_from_settings_for_images(tmp_path: Path) -> None:
    facts = resolve_model(str(save_clip("clip", tmp_path / "model")))
    assert SoftPrompting.space(facts, TASK, DATA).first[0]["kind"] == "deep"
    first = FullFineTuning.space(facts, TASK, DATA).first[0]
    assert first["learning_rate"] == 3e-5
    assert "form" not in first


@pytest.mark.network
def test_a_clip_of_the_hub_tells_colours_apart_by_name(tmp_path: Path) -> None:
    """The documented hub id, some 600 MB; nothing is trained."""
    facts = resolve_model("openai/clip-vit-base-patch32")
    assert (facts.params, facts.layers, facts.width) == (151_277_313, 12, 768)
    model = load_backbone(facts, CPU)
    files = [tmp_path / f"{colour}.png" for colour in COLOURS]
    for file in files:
        Image.new("RGB", (224, 224), file.stem).save(file)
    strategy = STRATEGIES.load("hard_prompt")()
    empty = colours(tmp_path / "none", 0)
    strategy.fit(model, TASK, empty, empty, seed=0, budget=TrialBudget())
    assert strategy.predict(files).argmax(axis=1).tolist() == [0, 1, 2]
