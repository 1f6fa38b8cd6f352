"""What a configuration tells of a model: built without weights, on torch's "meta" device."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import timm
import torch
from timm.data import resolve_model_data_config
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    ViTConfig,
    ViTModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from advisor.catalogue import find_model
from advisor.errors import ModelError
from advisor.situation import OBJECTIVES
from harness.backbones.base import ModelFacts
from harness.backbones.lstm_model import LstmConfig, LstmSeq2Seq
from harness.backbones.timm_nets import as_net, depth_groups, source_of, suggestions

UNKNOWN = "unknown"
_VITS = ("vit", "vit_mae")
_CLIPS = ("clip", "siglip")
_BUILDERS = {"decoder": AutoModelForCausalLM, "encoder_decoder": AutoModelForSeq2SeqLM}
# Relative positions have no end; it was trained on so many tokens (Raffel et al. 2020, 3.1.2).
_T5_WINDOW = 512
_SAME_SIZE = 0.05  # counts with and without an output layer differ by less
# timm names how weights were made in the tag: "fcmae_ft_in1k", "clip_laion2b"…
_NOT_SUPERVISED = ("clip", "dino", "fcmae", "mae", "ssl", "swsl")


def transformers_facts(name: str, location: str, digest: str) -> ModelFacts:
    """Facts of a model in transformers' format.

    Args:
        location: Folder or hub id; only its configuration is read.

    Raises:
        ModelError: If the configuration cannot be used.
    """
    try:
        config = AutoConfig.from_pretrained(location)
        if config.model_type in _VITS:
            return _vit_facts(config, name, location, digest)
        if config.model_type in _CLIPS:
            return _clip_facts(config, name, location, digest)
        family = _transformers_family(config)
        builder = _BUILDERS.get(family, AutoModel)
        with torch.device("meta"):
            model = builder.from_config(config)
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"the configuration of {name!r} cannot be used: {reason}") from error
    text = config.get_text_config()
    positions, reserved = _positions(model, text)
    longest = getattr(text, "max_position_embeddings", None)
    if family == "encoder_decoder" and longest is None:
        longest = getattr(text, "n_positions", _T5_WINDOW)
    params = model.num_parameters()
    return ModelFacts(
        name=name,
        family=family,
        params=params,
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        modality="text",
        window=None if longest is None else longest - reserved,
        positions=positions,
        objective=pretrained_by(location)
        or _objective((name, getattr(config, "_name_or_path", "")), family, params),
        vocabulary=text.vocab_size,
        location=location,
        digest=digest,
        masked_head=family == "encoder" and _saved_with_head(config),
    )


def lstm_facts(name: str, location: str, digest: str) -> ModelFacts:
    """Facts of a folder with an LSTM encoder-decoder.

    Raises:
        ModelError: If the configuration cannot be used.
    """
    found = read_config(Path(location))
    shape = {field.name: found[field.name] for field in fields(LstmConfig) if field.name in found}
    try:
        config = LstmConfig(**shape)  # type: ignore[arg-type]
        with torch.device("meta"):
            model = LstmSeq2Seq(config)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"the configuration of {name!r} cannot be used: {reason}") from error
    return ModelFacts(
        name=name,
        family="lstm",
        params=model.params,
        layers=model.layers,
        width=model.width,
        modality="text",
        objective=pretrained_by(location) or UNKNOWN,
        vocabulary=config.vocab_size,
        location=location,
        digest=digest,
    )


def _saved_with_head(config: PreTrainedConfig) -> bool:
    """Whether the checkpoint is of a model that fills gaps, as its configuration says."""
    names = getattr(config, "architectures", None) or ()
    return any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in names)


def _vit_facts(config: PreTrainedConfig, name: str, location: str, digest: str) -> ModelFacts:
    """Of the encoder; an autoencoder's decoder is left out, as it is after pretraining."""
    with torch.device("meta"):
        model = ViTModel(ViTConfig(**config.to_dict()), add_pooling_layer=False)
    params = model.num_parameters()
    return ModelFacts(
        name=name,
        family="vit",
        params=params,
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        modality="image",
        objective="masked_autoencoder"
        if config.model_type == "vit_mae"
        else _objective((name, getattr(config, "_name_or_path", "")), "vit", params),
        image_size=config.image_size,
        location=location,
        digest=digest,
    )


def _clip_facts(config: PreTrainedConfig, name: str, location: str, digest: str) -> ModelFacts:
    """Parameters of both towers; layers, width and size of the one that reads images."""
    with torch.device("meta"):
        model = AutoModel.from_config(config)
    vision = config.vision_config
    return ModelFacts(
        name=name,
        family="clip",
        params=model.num_parameters(),
        layers=vision.num_hidden_layers,
        width=vision.hidden_size,
        modality="image",
        objective="contrastive",
        image_size=vision.image_size,
        location=location,
        digest=digest,
    )


def timm_facts(name: str, location: str, digest: str) -> ModelFacts:
    """Facts of an image network of timm.

    `params` counts the published network with its classifier, as everybody does who names its
    size; features and fine-tuning leave that classifier out.

    Args:
        location: A folder that timm saved, or "timm:NAME".

    Raises:
        ModelError: If timm does not know the network, or it is no conv net.
    """
    try:
        with torch.device("meta"):
            model = timm.create_model(source_of(location))
    except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
        raise ModelError(f"timm cannot build {name!r}: {str(error).splitlines()[0]}") from error
    config = as_net(model).pretrained_cfg
    return ModelFacts(
        name=name,
        family="vit" if hasattr(model, "patch_embed") else "convnet",
        params=sum(p.numel() for p in model.parameters()),
        layers=_depth(model),
        width=as_net(model).head_hidden_size,
        modality="image",
        objective=_image_objective(str(config["architecture"]), str(config.get("tag") or "")),
        image_size=resolve_model_data_config(model)["input_size"][-1],
        location=location,
        digest=digest,
    )


def _depth(model: nn.Module) -> int:
    """Number of blocks."""
    blocks = getattr(model, "blocks", None)
    if hasattr(model, "patch_embed") and isinstance(blocks, nn.Sequential | nn.ModuleList):
        return len(blocks)
    # Stem and last layers are groups of their own beside the blocks.
    return max(1, len(depth_groups(model, coarse=False)) - 2)


def hub_repository(location: str) -> str | None:
    """The hub repository the weights of a "timm:NAME" come from; None if timm has no weights.

    Raises:
        ModelError: If timm has no such network.
    """
    name = location.removeprefix("timm:")
    if not timm.is_model(name):
        near = [f"timm:{known}" for known in suggestions(name)]
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ModelError(f"timm has no model {name!r}. {hint}`timm.list_models()` lists all.")
    config = timm.get_pretrained_cfg(name)
    return None if config is None else config.hf_hub_id


def weight_files(folder: Path) -> list[Path]:
    """The files of a model folder that hold its weights, safetensors preferred."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def digest_of(files: Iterable[Path]) -> str:
    """sha256 (hex) over the contents of files in the order given."""
    stamps = [(file, file.stat()) for file in files]
    return _digest(tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in stamps))


@lru_cache(maxsize=16)
def _digest(stamped: tuple[tuple[Path, int, int], ...]) -> str:
    content = sha256()
    for file, _, _ in stamped:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                content.update(block)
    return content.hexdigest()


def read_config(folder: Path) -> dict[str, object]:
    """The config.json of a model folder.

    Raises:
        ModelError: If there is none or it is not JSON.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{folder} is no model folder: it has no config.json. Give the folder that "
            "save_pretrained or timm wrote."
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict):
        raise ModelError(f"{file} holds no JSON object.")
    return config


def _transformers_family(config: PreTrainedConfig) -> str:
    kind = config.model_type
    if kind == "siglip2":  # NaFlex; SigLIP 2 at one resolution is of type "siglip"
        raise ValueError(
            "SigLIP 2 of variable resolution reads patches in another form; use a checkpoint of "
            "one resolution, google/siglip2-base-patch16-224 for one"
        )
    if config.is_encoder_decoder:
        return "encoder_decoder"
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        return "encoder"
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder"
    raise ValueError(
        f"models of type {kind!r} are neither encoders nor decoders of text; for images use "
        "timm:NAME"
    )


def _positions(model: nn.Module, config: PreTrainedConfig) -> tuple[str, int]:
    """How positions are told, read from the network, and how many of them are not for text."""
    if getattr(config, "sinusoidal_pos_embds", False):
        return "sinusoidal", 0
    for name, module in model.named_modules():
        if "RotaryEmbedding" in type(module).__name__:
            return "rotary", 0
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Embedding) and last in (
            "position_embeddings",
            "embed_positions",
            "wpe",
        ):
            # RoBERTa counts from behind the padding token: 514 rows are 512 places.
            return "learned", 0 if module.padding_idx is None else module.padding_idx + 1
    if getattr(config, "rotary_dim", None):
        return "rotary", 0
    return "relative", 0


def pretrained_by(location: str) -> str | None:
    """The objective that `harness pretrain` noted in a folder; None if it did not make it."""
    try:
        found = json.loads((Path(location) / "pretraining.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    objective = found.get("objective") if isinstance(found, dict) else None
    return objective if objective in OBJECTIVES else None


def _image_objective(architecture: str, tag: str) -> str:
    """From the catalogue, unless the tag says that the weights were made in another way."""
    row = find_model(f"timm:{architecture}")
    if row is None or tag.startswith(_NOT_SUPERVISED):
        return UNKNOWN
    return str(row.get("objective") or UNKNOWN)


def _objective(names: Iterable[str], family: str, params: int) -> str:
    """From the catalogue, for a model of the same name, family and size."""
    for name in filter(None, names):
        row = find_model(name)
        if row is None or row["family"] != family or not isinstance(row["params"], int):
            continue
        if math.isclose(row["params"], params, rel_tol=_SAME_SIZE) and row.get("objective"):
            return str(row["objective"])
    return UNKNOWN
