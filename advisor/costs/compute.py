"""Floating-point operations: of one forward pass, of training, of one request.

Sources: 2 operations per parameter and token forwards, twice that backwards (Kaplan et al. 2020,
section 2.1); attention 4 * layers * width * queries * keys (Narayanan et al. 2021, appendix).
"""

from advisor.costs.plan import Plan
from advisor.costs.shape import Shape

CONVNET_MACS_PER_PARAM = 160
"""Multiply-adds per parameter at 224 pixels: ResNet-50 161, ConvNeXt-T 156, ConvNeXt-B 174."""


def forward_flops(
    shape: Shape,
    inputs: float,
    outputs: float = 0.0,
    *,
    cached: float = 0.0,
    image_size: int | None = None,
) -> float:
    """Of one example.

    Args:
        inputs, outputs: Tokens run through the model (for an encoder-decoder: through its
            encoder and its decoder).
        cached: Tokens before them whose keys and values are already there.
        image_size: Pixels of a side; only conv nets need it.
    """
    if shape.family == "convnet":
        macs = CONVNET_MACS_PER_PARAM * shape.params if shape.gmacs is None else shape.gmacs * 1e9
        return 2 * macs * shape.pixels(image_size)
    attention = 4 * shape.layers * shape.width
    if shape.family == "encoder_decoder":
        pairs = inputs * (inputs + cached) + outputs * (inputs + cached + outputs)
        return shape.body_params * (inputs + outputs) + attention * pairs
    tokens = inputs + outputs
    linear = 2 * shape.body_params * tokens
    return linear if shape.family == "lstm" else linear + attention * tokens * (tokens + cached)


def request_flops(plan: Plan, *, cached: float = 0.0) -> float:
    """Of one request, the whole prompt included but for `cached` tokens of it."""
    inputs = plan.prompt + plan.work.tokens - cached
    forward = forward_flops(
        plan.shape, inputs, plan.answer, cached=cached, image_size=plan.work.image_size
    )
    return forward + 2 * plan.shape.vocabulary * plan.shape.width * plan.answer


def rows_sent(plan: Plan) -> float:
    """Requests that training makes of a body it does not change, test rows included."""
    work = plan.work
    if not plan.prompts:
        return work.examples + work.test_rows
    scored = min(work.validation_share * work.examples, work.scored_rows)
    return work.trials * scored + work.test_rows


def training_flops(plan: Plan) -> float:
    """Of all trials, and of scoring the test rows once.

    Gradients cost two forward passes where all weights are trained, one where they only pass
    through a frozen body. A probe runs the body once over every row, and a solver over the stored
    features. A hard prompt runs its prefix once per trial and shares it between the rows.
    """
    if plan.prompts:
        return _choosing_a_prompt(plan)
    if not plan.traits.needs_gradients:
        return _probing(plan)
    work = plan.work
    forward = request_flops(plan)
    backward = 2.0 if plan.traits.changes_all_weights else 1.0 + plan.trained / plan.shape.params
    an_epoch = work.examples * forward * (1 + (1 - work.validation_share) * backward)
    first = _probing(plan) if plan.traits.head_first and not plan.in_words else 0.0
    return work.trials * work.passes(plan.traits) * an_epoch + work.test_rows * forward + first


def _probing(plan: Plan) -> float:
    work = plan.work
    a_row = forward_flops(plan.shape, work.tokens, image_size=work.image_size)
    solver = 6 * plan.shape.width * work.classes * work.examples * work.head_passes
    return (work.examples + work.test_rows) * a_row + work.trials * solver


def _choosing_a_prompt(plan: Plan) -> float:
    work = plan.work
    prefix = forward_flops(plan.shape, plan.prompt)
    row = request_flops(plan, cached=plan.prompt)
    rows = min(work.validation_share * work.examples, work.scored_rows)
    chosen = work.trials * (prefix + rows * row) if rows else 0.0
    return chosen + (prefix + work.test_rows * row if work.test_rows else 0.0)
