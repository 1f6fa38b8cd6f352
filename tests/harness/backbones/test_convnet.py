"""Conv nets: features, batch normalisation at rest, layer groups, saving, no prompts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from advisor.errors import DataError, ModelError, SpecError
from harness.backbones import efficientnet_lite0
from harness.backbones.base import ModelFacts, PromptSpec
from harness.backbones.convnet import NO_PROMPT, ConvNetBackbone
from harness.tasks.classification import Classification
from tests.harness.tiny_models import CPU, save_images, tiny_convnet

TASK = Classification(("red", "blue"))
ARCHITECTURES = ("test_resnet", "test_efficientnet", "test_convnext")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return save_images(tmp_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_are_the_networks_pooled_output(architecture, files, empty_cache):
    model = tiny_convnet(architecture)
    seen: list[float] = []
    features = model.features(files, pooling="mean", progress=seen.append)
    with torch.inference_mode():
        expected = model.model(model.reader.read(files)).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max())
    assert features.dtype == np.float32
    assert seen[-1] == 1.0
    assert model.features([], pooling="mean").shape == (0, model.facts.width)


def test_features_do_not_depend_on_the_batch(files, empty_cache):
    model = tiny_convnet()
    together = model.features(files, pooling="mean")
    alone = np.concatenate([model.features([file], pooling="mean") for file in files])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_learns_and_leaves_backbone_and_statistics_alone(architecture, files, empty_cache):
    model = tiny_convnet(architecture)
    before = model.features(files, pooling="mean")
    torch.manual_seed(0)
    trainee = model.trainee(TASK).train()
    buffers = {name: value.clone() for name, value in trainee.body.named_buffers()}
    optimizer = torch.optim.Adam(trainee.parameters(), lr=1e-3)
    targets = torch.arange(len(files)) % 2
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = trainee.loss(trainee.encode(files, augment=True), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in trainee.parameters())
    for name, value in trainee.body.named_buffers():
        assert torch.equal(value, buffers[name]), name
    np.testing.assert_array_equal(model.features(files, pooling="mean"), before)


def test_mixed_precision_trains_too(files):
    trainee = tiny_convnet().trainee(TASK)
    batch = trainee.encode(files)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = trainee.answers(batch)
    assert mixed.dtype == torch.float32
    np.testing.assert_allclose(mixed.detach(), trainee.answers(batch).detach(), atol=0.1)
    mixed[:, 0].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in trainee.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layer_groups_run_from_stem_to_head(architecture):
    trainee = tiny_convnet(architecture).trainee(TASK)
    groups = trainee.layer_groups()
    everything = [id(p) for group in groups for p in group]
    assert sorted(everything) == sorted(id(p) for p in trainee.parameters())
    assert groups[0][0] is next(trainee.body.parameters())
    assert {id(p) for p in groups[-1]} == {id(p) for p in trainee.head.parameters()}
    trainee.body.requires_grad_(False)
    assert len(trainee.layer_groups()) == 1


def test_a_saved_body_is_a_timm_folder(tmp_path: Path, files, empty_cache):
    model = tiny_convnet()
    trainee = model.trainee(TASK)
    with torch.no_grad():
        for parameter in trainee.body.parameters():
            parameter.mul_(1.1)
    folder = tmp_path / "body"
    trainee.save_body(folder)
    again = model.trainee(TASK)
    again.load_body(folder)
    facts = ModelFacts("saved", "convnet", 1, 4, model.facts.width, "image", location=str(folder))
    loaded = ConvNetBackbone.from_location(facts, device=CPU, max_tokens=None)
    assert loaded.reader.size == (64, 64)
    batch = trainee.encode(files)
    with torch.inference_mode():
        expected = trainee.eval().pooled(batch)
        assert torch.equal(again.eval().pooled(batch), expected)
        assert torch.equal(loaded.model(batch["pixels"]), expected)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda m: m.features([], pooling="cls"), "must be 'mean', 'max' or 'grid'; got 'cls'"),
        (lambda m: m.features([], pooling="max", layers=(1,)), "mean of stages 0, 1, 2, 3 and of"),
        (lambda m: m.features([], pooling="mean", layers=(9,)), "last layer, -1; got 'mean' of 9"),
        (lambda m: m.trainee(TASK, pooling="cls"), "reads the mean; got pooling 'cls'"),
        (
            lambda m: m.trainee(TASK, form="words"),
            "form must be one of default, labels, head; got 'words'",
        ),
        (lambda m: m.trainee(TASK, prompt=PromptSpec()), NO_PROMPT),
    ],
)
def test_what_cannot_be_done_is_said(ask, said):
    with pytest.raises(SpecError, match=said):
        ask(tiny_convnet())


def test_an_unreadable_image_is_named(files, empty_cache):
    files[3].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3\.png cannot be read as an image"):
        tiny_convnet().features(files, pooling="mean")


def test_weights_of_another_network_are_refused(tmp_path: Path):
    file = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(2)}, file)
    with pytest.raises(ModelError, match=r"other\.pth does not hold the weights"):
        efficientnet_lite0.load(file)
    facts = ModelFacts("x", "convnet", 1, 1, 1, "image", location=str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="conv net 'x' cannot be loaded from"):
        ConvNetBackbone.from_location(facts, device=CPU, max_tokens=None)


def test_efficientnet_is_wired_as_it_was_trained(efficientnet: ConvNetBackbone, datasets: Path):
    """Names of the packaged tensors differ from timm's: only ImageNet's classes prove the order."""
    ants, bees = (
        sorted((datasets / "images_ants_bees").rglob(f"{kind}/*.jpg"))[:20] for kind in ("ants", "bees")
    )  # fmt: skip
    if not ants or not bees:
        pytest.skip("no photos of ants and bees")
    network = efficientnet_lite0.load(
        Path(efficientnet.facts.location), num_classes=efficientnet_lite0.IMAGENET_CLASSES
    ).eval()
    with torch.inference_mode():
        said = network(efficientnet.reader.read(ants + bees)).argmax(dim=1)
    assert (said[:20] == 310).float().mean() > 0.6  # "ant"
    assert (said[20:] == 309).float().mean() > 0.6  # "bee"


def test_efficientnet_tells_colours_apart(efficientnet: ConvNetBackbone, tmp_path: Path):
    """Its features separate plain images that differ in one thing only."""
    files = []
    for index in range(6):
        colour = (200 + 5 * index, 30, 30) if index % 2 == 0 else (30, 30, 200 + 5 * index)
        files.append(tmp_path / f"{index}.png")
        Image.new("RGB", (240, 240), colour).save(files[-1])
    features = efficientnet.features(files, pooling="mean")
    assert features.shape == (6, 1280)
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    same = np.arange(6)[:, None] % 2 == np.arange(6)[None] % 2
    assert distances[same].max() < distances[~same].min()
