"""Counts the numbers autograd keeps for the backward pass, on small random networks of each kind.

    python benchmarks/saved_activations.py

Prints, per token and layer in units of the width, what is kept where all weights are trained and
where gradients only pass through a frozen body; for conv nets, millions per image of 224 pixels.
`advisor/costs/memory.py` and `advisor/catalogue/models.json` hold these numbers. float32, CPU;
attention dropout is off, since it keeps a tokens x tokens matrix that fused kernels avoid. T5 has
one rate for all dropout: 3 * heads * tokens / width = 6 of its numbers are such matrices.
"""

from __future__ import annotations

from collections.abc import Callable

import timm
import torch
import transformers as hf
from torch import nn

BATCH, TOKENS, WIDTH = 4, 128, 512
CONVNETS = ("tf_efficientnet_lite0", "resnet50", "convnext_tiny", "mobilenetv3_large_100")


def numbers_kept(model: nn.Module, forward: Callable[[], object]) -> float:
    """float32 numbers in storages saved for backward, parameters and buffers left out."""
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage  # held, so that its address is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = forward()
    assert held is not None
    return sum(storage.nbytes() for storage in kept.values()) / 4


def per_layer(make: Callable[[int], nn.Module], inputs: Callable[[nn.Module], Callable[[], object]], tokens: int, width: int, *, frozen: bool) -> float:  # fmt: skip
    """Difference between four layers and two, per token and layer, in units of the width."""
    counts = []
    for layers in (2, 4):
        model = make(layers).train(not frozen).requires_grad_(not frozen)
        counts.append(numbers_kept(model, inputs(model)))
    return (counts[1] - counts[0]) / 2 / (BATCH * tokens * width)


def embedded(width: int) -> Callable[[nn.Module], Callable[[], object]]:
    vectors = torch.randn(BATCH, TOKENS, width, requires_grad=True)
    mask = torch.ones(BATCH, TOKENS, dtype=torch.long)
    return lambda model: lambda: model(inputs_embeds=vectors, attention_mask=mask)


def images(model: nn.Module) -> Callable[[], object]:
    pixels = torch.randn(BATCH, 3, 224, 224, requires_grad=True)
    return lambda: model(pixel_values=pixels)


TRANSFORMERS = {
    "BERT": (lambda n: hf.BertModel(hf.BertConfig(vocab_size=99, hidden_size=WIDTH, num_hidden_layers=n, num_attention_heads=8, intermediate_size=4 * WIDTH, attention_probs_dropout_prob=0.0)), embedded(WIDTH), TOKENS, WIDTH),
    "Llama": (lambda n: hf.LlamaModel(hf.LlamaConfig(vocab_size=99, hidden_size=WIDTH, num_hidden_layers=n, num_attention_heads=8, num_key_value_heads=8, intermediate_size=1376)), embedded(WIDTH), TOKENS, WIDTH),
    "Gemma 3 (270M)": (lambda n: hf.Gemma3TextModel(hf.Gemma3TextConfig(vocab_size=99, hidden_size=640, num_hidden_layers=n, num_attention_heads=4, num_key_value_heads=1, head_dim=256, intermediate_size=2048, sliding_window=512)), embedded(640), TOKENS, 640),
    "GPT-2": (lambda n: hf.GPT2Model(hf.GPT2Config(vocab_size=99, n_embd=WIDTH, n_layer=n, n_head=8, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0)), embedded(WIDTH), TOKENS, WIDTH),
    "T5 encoder": (lambda n: hf.T5EncoderModel(hf.T5Config(vocab_size=99, d_model=WIDTH, num_layers=n, num_heads=8, d_kv=64, d_ff=4 * WIDTH)), embedded(WIDTH), TOKENS, WIDTH),
    "ViT": (lambda n: hf.ViTModel(hf.ViTConfig(hidden_size=192, num_hidden_layers=n, num_attention_heads=3, intermediate_size=768), add_pooling_layer=False), images, 197, 192),
}  # fmt: skip


def main() -> None:
    torch.manual_seed(0)
    print(f"{'per token, layer and width':28} {'trained':>8} {'frozen':>8}")
    for name, (make, inputs, tokens, width) in TRANSFORMERS.items():
        row = [per_layer(make, inputs, tokens, width, frozen=frozen) for frozen in (False, True)]
        print(f"{name:28} {row[0]:8.1f} {row[1]:8.1f}")
    print(f"\n{'millions per image':28} {'trained':>8}")
    for name in CONVNETS:
        model = timm.create_model(name, num_classes=0).eval()
        pixels = torch.randn(1, 3, 224, 224)
        print(f"{name:28} {numbers_kept(model, lambda m=model, x=pixels: m(x)) / 1e6:8.1f}")


if __name__ == "__main__":
    main()
