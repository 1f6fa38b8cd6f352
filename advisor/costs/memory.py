"""Bytes: held while training, held while serving, written to disk.

Sources: 16 bytes per trained parameter with Adam, mixed precision or fp32 alike (Rajbhandari et
al. 2020, section 3.1); activations in the form of Korthikanti et al. 2022 (section 4), with the
numbers kept per token counted on real networks by `benchmarks/saved_activations.py`.
"""

from typing import NamedTuple

from advisor.costs.hardware import Hardware
from advisor.costs.plan import Plan
from advisor.costs.shape import IMAGE_FAMILIES, Shape
from advisor.costs.workload import Workload

STATE_BYTES = 16
"""Weight, gradient, two moments of Adam and, in mixed precision, the fp32 copy of the weight."""
SAVED = {
    "encoder": (18.0, 10.0),
    "decoder": (21.0, 14.0),
    "encoder_decoder": (24.0, 10.5),
    "lstm": (16.0, 10.0),
    "vit": (16.0, 10.0),
    "clip": (16.0, 10.0),
}
"""Numbers kept for the backward pass per token and layer, in units of the width: where weights are
trained, and where gradients only pass through. Counted on BERT, Llama, T5 and ViT; LSTM is a guess."""
ATTENTION_DROPOUT = ("encoder", "encoder_decoder")
"""Families whose attention has dropout, which keeps 3 tokens x tokens matrices per head unfused."""
_CONVNET_SAVED, _CONVNET_PARAMS = 21.5e6, 25.6e6
"""Numbers kept per image of 224 pixels by ResNet-50, and its size; others scale by the square root."""
_TRANSIENT = 12.0
"""Numbers alive at once in a forward pass without gradients, per token in units of the width."""
_TRANSIENT_SHARE = 0.15
"""The same for a conv net, as a share of what the backward pass would keep."""
_LOGIT_BYTES = 4
_ROWS_IN_MEMORY = 1_000_000
"""Features of more examples are read from disk in pieces."""


class Memory(NamedTuple):
    """Bytes by what holds them."""

    weights: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0
    logits: float = 0.0
    cache: float = 0.0
    features: float = 0.0
    overhead: float = 0.0

    @property
    def total(self) -> float:
        return (
            self.weights + self.gradients + self.optimizer + self.activations
            + self.logits + self.cache + self.features + self.overhead
        )  # fmt: skip

    def parts(self) -> dict[str, float]:
        return self._asdict()


def training_memory(plan: Plan, hardware: Hardware) -> Memory:
    """At the peak of training, with the batch of the workload."""
    weights, gradients, optimizer, cache = _states_and_cache(plan, hardware)
    kept, _ = _activations(plan, hardware)
    logits, features, batch = _training_logits(plan), feature_bytes(plan), plan.work.batch_size
    held = weights + gradients + optimizer + cache + batch * (kept + logits) + features
    return Memory(
        weights, gradients, optimizer, batch * kept, batch * logits, cache, features,
        hardware.overhead(held),
    )  # fmt: skip


def least_training_memory(plan: Plan, hardware: Hardware) -> float:
    """Bytes that are left when everything that costs only time has been done: one example at a
    time, activations recomputed from the inputs of the layers (Chen et al. 2016), features read
    from disk."""
    weights, gradients, optimizer, cache = _states_and_cache(plan, hardware)
    _, recomputed = _activations(plan, hardware)
    least = weights + gradients + optimizer + cache + recomputed + _training_logits(plan)
    return least + hardware.overhead(least)


def _states_and_cache(plan: Plan, hardware: Hardware) -> tuple[float, float, float, float]:
    """Weights, gradients, states of the optimizer, keys and values: whatever the batch."""
    shape, work = plan.shape, plan.work
    copies = work.weight_copies - 1 if plan.traits.changes_all_weights else work.weight_copies
    states = plan.trained if plan.traits.needs_gradients else 0.0
    return (
        (shape.params * copies + plan.trained) * hardware.weight_bytes,
        states * hardware.weight_bytes,
        states * (STATE_BYTES - 2 * hardware.weight_bytes),
        _cache(shape, plan.prompt, hardware) if plan.prompts else 0.0,
    )


def _training_logits(plan: Plan) -> float:
    """Of one example."""
    times = 3 if plan.traits.needs_gradients and plan.trained else 2
    return plan.answer * plan.shape.vocabulary * _LOGIT_BYTES * times


def serving_memory(plan: Plan, hardware: Hardware, tasks_served: int) -> Memory:
    """While one request is answered; every task needs its own body where the body was changed."""
    shape = plan.shape
    bodies = 1 if plan.traits.shared_when_serving else tasks_served
    added = 0.0 if plan.traits.changes_all_weights else plan.trained * tasks_served
    weights = (bodies * shape.params + added) * hardware.weight_bytes
    transient = _transient(shape, plan.work, plan.tokens) * hardware.activation_bytes
    logits = plan.answer * shape.vocabulary * _LOGIT_BYTES * 2
    cache = _cache(shape, plan.tokens, hardware) if plan.in_words else 0.0
    overhead = hardware.overhead(weights + transient + logits + cache)
    return Memory(weights, 0.0, 0.0, transient, logits, cache, 0.0, overhead)


def artefact_bytes(plan: Plan, hardware: Hardware) -> float:
    """On disk, per task, beside the pretrained model where that is still needed."""
    return plan.trained * hardware.weight_bytes


def _activations(plan: Plan, hardware: Hardware) -> tuple[float, float]:
    """Bytes that one example keeps for the backward pass, or has alive where there is none; and
    what is left of them if they are recomputed layer by layer."""
    shape, work, size = plan.shape, plan.work, hardware.activation_bytes
    if not plan.traits.needs_gradients:
        # A hard prompt is computed once and then only kept as keys and values.
        tokens = plan.tokens - (plan.prompt if plan.prompts else 0.0)
        alive = _transient(shape, work, tokens) * size
        return alive, alive
    if shape.family == "convnet":
        kept = _convnet_saved(shape, work) * size
        return kept, kept
    tokens = plan.tokens
    a_layer = tokens * shape.width * _saved_per_token(plan)
    if (
        shape.family in ATTENTION_DROPOUT
        and plan.traits.changes_all_weights
        and not hardware.fused_attention
    ):
        a_layer += 3 * shape.attention_heads * tokens**2
    return shape.layers * a_layer * size, (shape.layers * tokens * shape.width + a_layer) * size


def _saved_per_token(plan: Plan) -> float:
    trained, frozen = SAVED[plan.shape.family]
    if plan.traits.changes_all_weights:
        return plan.shape.saved_trained or trained
    return plan.shape.saved_frozen or frozen


def _convnet_saved(shape: Shape, work: Workload) -> float:
    usual = _CONVNET_SAVED * (shape.params / _CONVNET_PARAMS) ** 0.5
    return (shape.saved_per_image or usual) * shape.pixels(work.image_size)


def _transient(shape: Shape, work: Workload, tokens: float) -> float:
    if shape.family == "convnet":
        return _TRANSIENT_SHARE * _convnet_saved(shape, work)
    return _TRANSIENT * tokens * shape.width


def _cache(shape: Shape, tokens: float, hardware: Hardware) -> float:
    """Keys and values of every layer (of the decoder's, where there are two stacks)."""
    if shape.family in IMAGE_FAMILIES or shape.family in ("encoder", "lstm"):
        return 0.0
    return 2 * shape.layers * (shape.kv_width or shape.width) * tokens * hardware.activation_bytes


def feature_bytes(plan: Plan) -> float:
    """Held by the stored features a probe is fitted on; 0 for other strategies."""
    if plan.traits.needs_gradients or plan.prompts:
        return 0.0
    return min(plan.work.examples + plan.work.test_rows, _ROWS_IN_MEMORY) * plan.shape.width * 4
