"""What a strategy is like, in the terms rules and costs speak of.

Rules and the cost model never name a strategy; they ask for traits. A new strategy therefore
needs no edit in the advisor's rules: it declares its traits and they apply.
"""

from typing import NamedTuple

FAMILIES = ("encoder", "decoder", "encoder_decoder", "lstm", "convnet", "vit", "clip")
TASKS = (
    "classification",
    "pair_classification",
    "qa",
    "generation",
    "translation",
    "token_labelling",
    "localization",
    "regression",
)
CORE = ("linear_probe", "full_finetune", "hard_prompt", "soft_prompt")

_ALL = frozenset(FAMILIES)
_ATTENTION = frozenset({"encoder", "decoder", "encoder_decoder", "vit", "clip"})
# What can be told in words what to do: language models, masked ones poorly; CLIP by class names.
_PROMPTABLE = frozenset({"encoder", "decoder", "encoder_decoder", "clip"})


class Traits(NamedTuple):
    """Declared properties of one strategy.

    Attributes:
        id: Registered name; name: what people call it.
        families: Families it works on at all.
        access: Least access to the model it needs: "text" (an API suffices), "embeddings"
            (outputs of the frozen body) or "weights".
        needs_gradients: Whether training backpropagates through the body.
        needs_labels: Whether it needs labelled examples.
        changes_all_weights: Whether every weight of the body may move.
        needs_pretraining: False only where pretrained weights are thrown away.
        consumes_window: Whether examples or prompt vectors take room in the context window.
        virtual_tokens: Trained vectors added to each input (0 for none).
        trainable_fraction: Typical share of the body's parameters that is trained.
        trains_head: Whether a new output layer is trained.
        shared_when_serving: Whether many tasks can be served from one copy of the body.
        head_first: Whether a head is trained on the frozen body before the body may move.
    """

    id: str
    name: str
    families: frozenset[str]
    access: str
    needs_gradients: bool
    needs_labels: bool
    changes_all_weights: bool
    needs_pretraining: bool
    consumes_window: bool
    virtual_tokens: int
    trainable_fraction: float
    trains_head: bool
    shared_when_serving: bool
    head_first: bool = False


def _traits(
    id: str,
    name: str,
    families: frozenset[str],
    access: str,
    *,
    gradients: bool,
    labels: bool = True,
    all_weights: bool = False,
    pretraining: bool = True,
    window: bool = False,
    virtual: int = 0,
    fraction: float = 0.0,
    head: bool = False,
    shared: bool = True,
    head_first: bool = False,
) -> Traits:
    return Traits(
        id=id,
        name=name,
        families=families,
        access=access,
        needs_gradients=gradients,
        needs_labels=labels,
        changes_all_weights=all_weights,
        needs_pretraining=pretraining,
        consumes_window=window,
        virtual_tokens=virtual,
        trainable_fraction=fraction,
        trains_head=head,
        shared_when_serving=shared,
        head_first=head_first,
    )


STRATEGIES: dict[str, Traits] = {
    traits.id: traits
    for traits in (
        _traits("linear_probe", "linear probe", _ALL - {"lstm"}, "embeddings", gradients=False, head=True),
        _traits(
            "full_finetune", "full fine-tuning", _ALL, "weights",
            gradients=True, all_weights=True, fraction=1.0, head=True, shared=False,
        ),
        _traits("hard_prompt", "hard prompting", _PROMPTABLE, "text", gradients=False, labels=False, window=True),
        _traits(
            "soft_prompt", "soft prompting", _ATTENTION, "weights",
            gradients=True, window=True, virtual=20, fraction=1e-4,
        ),
        _traits("lora", "LoRA", _ATTENTION, "weights", gradients=True, fraction=5e-3, head=True),
        _traits("ia3", "IA3", _ATTENTION, "weights", gradients=True, fraction=2e-4, head=True),
        _traits(
            "lp_ft", "probe, then fine-tune (LP-FT)", _ALL - {"lstm"}, "weights",
            gradients=True, all_weights=True, fraction=1.0, head=True, shared=False, head_first=True,
        ),
        _traits(
            "from_scratch", "training from scratch", _ALL, "weights",
            gradients=True, all_weights=True, pretraining=False, fraction=1.0, head=True, shared=False,
        ),
    )
}  # fmt: skip
