"""What a model computes, counted in the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.sides import Measured

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Counter:
    """Counts what a transformers model computes, and what copies of it compute.

    Attributes:
        tokens: In the body, padding included; those of a training step thrice, as its way back is
            twice its way forward.
        logits: Positions of the output layer, of models that have one.
        calls: Forward passes.
    """

    def __init__(self) -> None:
        self.tokens = self.logits = self.calls = 0

    def watch(self, model: PreTrainedModel) -> None:
        """Count from now on."""

        # functions rather than methods: a copy of the model would copy what they belong to
        def body(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            read = kwargs.get("inputs_embeds")
            if read is None:
                read = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
            self.tokens += read.shape[0] * read.shape[1] * (3 if module.training else 1)
            self.calls += 1

        def head(module: Any, args: Any) -> None:
            self.logits += args[0].shape[:-1].numel()

        model.base_model.register_forward_pre_hook(body, with_kwargs=True)
        if (output := model.get_output_embeddings()) is not None:
            output.register_forward_pre_hook(head)

    def values(self) -> dict[str, int]:
        """What was counted since the last time."""
        counted = {"tokens": self.tokens, "logits": self.logits, "calls": self.calls}
        self.tokens = self.logits = self.calls = 0
        return counted


def limit(ours: Measured, peer: Measured) -> str:
    """What both sides read, and the ratio that it allows."""
    mine, theirs = (side.outcome.values["tokens"] for side in (ours, peer))
    return f"the body reads {theirs:,} tokens for the peer and {mine:,} for us: at the same speed {theirs / mine:.2f}x"  # fmt: skip
