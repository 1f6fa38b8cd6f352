"""Puts the formulas together: what a strategy costs in a situation, and whether that is possible."""

from functools import lru_cache
from typing import NamedTuple

from advisor.costs.compute import request_flops, rows_sent, training_flops
from advisor.costs.hardware import Hardware, hardware_of
from advisor.costs.memory import (
    Memory,
    artefact_bytes,
    feature_bytes,
    serving_memory,
    training_memory,
)
from advisor.costs.money import (
    HOURS_A_MONTH,
    MONTHS,
    ApiPrice,
    BreakEven,
    api_price,
    requests_to_repay,
)
from advisor.costs.plan import Plan, plan_of
from advisor.costs.shape import Shape, shape_of
from advisor.costs.workload import Workload, workload_of
from advisor.demonstrations import usable_demonstrations
from advisor.inference import Resolved, resolve
from advisor.quantities import format_bytes, format_count, format_duration
from advisor.situation import Situation
from advisor.traits import Traits

LOADING_BYTES_PER_SECOND = 1e9
"""From disk to device; an NVMe disk reads a few times as fast."""


class Training(NamedTuple):
    """Cost of adapting once (or `Workload.trials` times).

    Attributes:
        memory: At the peak, with the batch of the workload.
        least_memory_bytes: With one example at a time and recomputed activations.
        flops, seconds: On all devices together, the loading of the weights included.
        usd: None where no price is known.
        trained_parameters: Numbers changed or added.
    """

    memory: Memory
    least_memory_bytes: float
    flops: float
    seconds: float
    usd: float | None
    trained_parameters: float


class Serving(NamedTuple):
    """Cost of using the result.

    Attributes:
        memory: While one request is answered; nothing where somebody else hosts the model.
        prompt_tokens: Ahead of every input.
        flops: Of one request.
        latency_seconds: Of one request on an idle node; None where somebody else hosts the model.
        usd_per_1000: Requests, at full use of the devices or at the price of an API.
        hosting_usd_per_month: Devices that hold the model all month, per task served.
    """

    memory: Memory
    prompt_tokens: float
    flops: float
    latency_seconds: float | None
    usd_per_1000: float | None
    hosting_usd_per_month: float | None


class Costs(NamedTuple):
    """What one strategy costs. Immutable; bytes, seconds, floating-point operations, US dollars.

    Attributes:
        fits: Whether memory, hours and latency suffice; reason: what does not, else "".
        artefact_bytes: On disk per task.
        hardware: What it runs on, with the number of devices, or "an API".
        price_note: What that costs, and where and when the price was read.
    """

    strategy: str
    training: Training
    serving: Serving
    artefact_bytes: float
    fits: bool
    reason: str
    hardware: str
    price_note: str

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, JSON-ready."""
        training, serving = self.training, self.serving
        return {
            "training": {
                "memory_bytes": training.memory.total,
                "memory_parts": training.memory.parts(),
                "least_memory_bytes": training.least_memory_bytes,
                "flops": training.flops,
                "seconds": training.seconds,
                "usd": training.usd,
                "trained_parameters": training.trained_parameters,
            },
            "serving": {
                "memory_bytes": serving.memory.total,
                "memory_parts": serving.memory.parts(),
                "prompt_tokens": serving.prompt_tokens,
                "flops_per_request": serving.flops,
                "latency_seconds": serving.latency_seconds,
                "usd_per_1000_requests": serving.usd_per_1000,
                "hosting_usd_per_month": serving.hosting_usd_per_month,
            },
            "artefact_bytes": self.artefact_bytes,
            "fits": self.fits,
            "reason": self.reason,
            "hardware": self.hardware,
            "price_note": self.price_note,
        }


class _Use(NamedTuple):
    """What of a situation costs depend on besides network, devices and work.

    Attributes:
        price: Of the API that hosts the model; None where it runs on own hardware.
    """

    price: ApiPrice | None
    tasks_served: int
    budget_hours: float | None
    latency_ms: float | None


def estimate(
    situation: Situation | Resolved,
    traits: Traits,
    hardware: Hardware | None = None,
    workload: Workload | None = None,
    shape: Shape | None = None,
) -> Costs:
    """Estimate what a strategy costs.

    Args:
        situation: Model, task, data and constraints; unknowns are filled in by `resolve`.
        traits: Of the strategy; its name plays no part.
        hardware: None for the devices of the situation (8 x 80 GB where none are stated).
        workload: None for the work of the situation: one training, usual epochs, batch of 16.
        shape: Size and form of the network; None for the catalogue's or what follows from size.
    """
    facts = situation if isinstance(situation, Resolved) else resolve(situation)
    shape = shape or shape_of(facts)
    hardware = hardware or hardware_of(facts)
    use = _Use(
        None if facts.access == "weights" else api_price(facts.model, facts.params),
        facts.tasks_served,
        facts.budget_hours,
        facts.latency_ms,
    )
    return _estimate(traits, shape, hardware, workload or workload_of(facts, shape), use)


@lru_cache(maxsize=256)
def _estimate(traits: Traits, shape: Shape, hardware: Hardware, work: Workload, use: _Use) -> Costs:
    """Remembered: who asks what would change the answer changes things that cost nothing, too."""
    plan = plan_of(traits, shape, work)
    where, price_note = f"{hardware.devices} x {hardware.name}", hardware.price_note
    if use.price is None:
        training = _training(plan, hardware)
        serving = _serving(plan, hardware, use.tasks_served)
        reason = _obstacle(use, training, serving, hardware)
    else:
        training, serving = _training_by_api(plan, use.price, hardware), _api(plan, use.price)
        where, price_note, reason = "an API", use.price.note, ""
    return Costs(
        strategy=traits.id,
        training=training,
        serving=serving,
        artefact_bytes=artefact_bytes(plan, hardware),
        fits=not reason,
        reason=reason,
        hardware=where,
        price_note=price_note,
    )


def break_even(
    situation: Situation | Resolved, trained: Costs, prompting: Traits
) -> BreakEven | None:
    """From how many requests a month training is cheaper than prompting with demonstrations.

    The prompt is filled with as many examples as fit the window, or the fewer that were asked
    about; None where there is none to put in, the model is not on own hardware, or the prices are
    not known.
    """
    facts = situation if isinstance(situation, Resolved) else resolve(situation)
    examples = usable_demonstrations(facts, facts.examples)
    if facts.demonstrations is not None:
        examples = min(examples, facts.demonstrations)
    shape, hardware = shape_of(facts), hardware_of(facts)
    plan = plan_of(prompting, shape, workload_of(facts, shape, examples))
    if facts.access != "weights" or not examples or not plan.prompt:
        return None
    if trained.training.usd is None or trained.serving.usd_per_1000 is None:
        return None
    prompted = _serving(plan, hardware, facts.tasks_served)
    assert prompted.usd_per_1000 is not None
    assert trained.serving.hosting_usd_per_month is not None
    a_month = trained.training.usd / MONTHS
    price = api_price(facts.model, facts.params)
    per_request = price.usd(plan.prompt + plan.work.tokens, plan.work.outputs)
    return BreakEven(
        strategy=trained.strategy,
        against=prompting.id,
        prompt_tokens=plan.prompt,
        demonstrations=examples,
        own_hardware=requests_to_repay(
            a_month, (prompted.usd_per_1000 - trained.serving.usd_per_1000) / 1000
        ),
        api=requests_to_repay(a_month + trained.serving.hosting_usd_per_month, per_request),
        assumption=(
            f"a prompt of {format_count(plan.prompt)} tokens that is computed anew for every request; one "
            f"training spread over {MONTHS} months; API at {price.note}"
        ),
    )


def _training(plan: Plan, hardware: Hardware) -> Training:
    shape, work = plan.shape, plan.work
    flops = training_flops(plan)
    loading = shape.params * hardware.weight_bytes / LOADING_BYTES_PER_SECOND if flops else 0.0
    steps = work.trials * work.passes(plan.traits) * work.examples / work.batch_size
    passes = 3 * steps if plan.traits.needs_gradients else 0.0
    seconds = (
        max(flops / hardware.speed, passes * shape.layers * hardware.seconds_per_layer) + loading
    )
    memory, least = training_memory(plan, hardware)
    return Training(
        memory=memory,
        least_memory_bytes=least,
        flops=flops,
        seconds=seconds,
        usd=hardware.usd(seconds * hardware.devices),
        trained_parameters=plan.trained,
    )


def _training_by_api(plan: Plan, price: ApiPrice, hardware: Hardware) -> Training:
    """Somebody else runs the body, as fast as the devices assumed here, and charges per token."""
    rows, flops = rows_sent(plan), training_flops(plan)
    return Training(
        memory=Memory(features=feature_bytes(plan)),
        least_memory_bytes=0.0,
        flops=flops,
        seconds=flops / hardware.speed,
        usd=price.usd(rows * (plan.prompt + plan.work.tokens), rows * plan.answer),
        trained_parameters=plan.trained,
    )


def _serving(plan: Plan, hardware: Hardware, tasks_served: int) -> Serving:
    """On own hardware: compute-bound for the prompt, bound by reading weights for each new token."""
    shape = plan.shape
    flops = request_flops(plan)
    memory = serving_memory(plan, hardware, tasks_served)
    bandwidth = hardware.devices * hardware.bandwidth
    reading = shape.params * hardware.weight_bytes / bandwidth
    launching = shape.layers * hardware.seconds_per_layer
    latency = max(flops / hardware.speed, reading, launching)
    if plan.work.generates:
        latency += plan.answer * max(reading + memory.cache / bandwidth, launching)
    per_request = hardware.usd(flops / (hardware.flops_per_second * hardware.utilization))
    devices = hardware.devices_for(memory.total - memory.overhead)
    month = hardware.usd(HOURS_A_MONTH * 3600 * devices)
    return Serving(
        memory=memory,
        prompt_tokens=plan.prompt,
        flops=flops,
        latency_seconds=latency,
        usd_per_1000=None if per_request is None else 1000 * per_request,
        hosting_usd_per_month=None if month is None else month / tasks_served,
    )


def _api(plan: Plan, price: ApiPrice) -> Serving:
    """Somebody else hosts the model and charges per token."""
    return Serving(
        memory=Memory(),
        prompt_tokens=plan.prompt,
        flops=request_flops(plan),
        latency_seconds=None,
        usd_per_1000=1000 * price.usd(plan.prompt + plan.work.tokens, plan.answer),
        hosting_usd_per_month=0.0,
    )


def _obstacle(use: _Use, training: Training, serving: Serving, hardware: Hardware) -> str:
    """What does not suffice, or "". More memory, hours or time per answer never adds an obstacle."""
    for what, needed in (
        ("Training needs at least", training.least_memory_bytes),
        ("Serving needs", serving.memory.total),
    ):
        if needed > hardware.memory:
            return (
                f"{what} {format_bytes(needed)} of memory; "
                f"{_devices(hardware)} have {format_bytes(hardware.memory)}."
            )
    if use.budget_hours is not None and training.seconds > use.budget_hours * 3600:
        return (
            f"Training takes about {format_duration(training.seconds)} on {_devices(hardware)}; "
            f"the budget is {format_duration(use.budget_hours * 3600)}."
        )
    latency = serving.latency_seconds
    if use.latency_ms is not None and latency is not None and latency * 1000 > use.latency_ms:
        return (
            f"One answer takes about {format_duration(latency)} on {_devices(hardware)}; "
            f"the limit is {format_duration(use.latency_ms / 1000)}."
        )
    return ""


def _devices(hardware: Hardware) -> str:
    if hardware.memory_bytes is None:
        return f"{hardware.devices} x {hardware.name}"
    return f"{hardware.devices} x {format_bytes(hardware.memory_bytes)}"
