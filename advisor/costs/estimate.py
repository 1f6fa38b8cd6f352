"""Puts the formulas together: what a strategy costs in a situation, and whether that is possible."""

from functools import cached_property, lru_cache
from typing import NamedTuple

from advisor.costs.compute import request_flops, rows_sent, training_flops
from advisor.costs.hardware import Hardware, hardware_of
from advisor.costs.memory import (
    Memory,
    artefact_bytes,
    feature_bytes,
    least_training_memory,
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


class _Use(NamedTuple):
    """What of a situation costs depend on besides network, devices and work.

    Attributes:
        price: Of the API that hosts the model; None where it runs on own hardware.
    """

    price: ApiPrice | None
    tasks_served: int
    budget_hours: float | None
    latency_ms: float | None


class Training:
    """Cost of adapting once (or `Workload.trials` times); worked out when it is asked for.

    Attributes:
        memory: At the peak, with the batch of the workload.
        least_memory_bytes: With one example at a time and recomputed activations.
        flops, seconds: On all devices together, the loading of the weights included.
        usd: None where no price is known.
        trained_parameters: Numbers changed or added.
    """

    def __init__(self, plan: Plan, hardware: Hardware) -> None:
        self._plan, self._hardware = plan, hardware
        self.trained_parameters = plan.trained

    @cached_property
    def memory(self) -> Memory:
        return training_memory(self._plan, self._hardware)

    @cached_property
    def least_memory_bytes(self) -> float:
        return least_training_memory(self._plan, self._hardware)

    @cached_property
    def flops(self) -> float:
        return training_flops(self._plan)

    @cached_property
    def seconds(self) -> float:
        plan, hardware, work = self._plan, self._hardware, self._plan.work
        weights = plan.shape.params * hardware.weight_bytes
        loading = weights / LOADING_BYTES_PER_SECOND if self.flops else 0.0
        steps = work.trials * work.passes(plan.traits) * work.examples / work.batch_size
        passes = 3 * steps if plan.traits.needs_gradients else 0.0
        launching = passes * plan.shape.layers * hardware.seconds_per_layer
        return max(self.flops / hardware.speed, launching) + loading

    @property
    def usd(self) -> float | None:
        return self._hardware.usd(self.seconds * self._hardware.devices)


class _TrainingByApi(Training):
    """Somebody else runs the body, as fast as the devices assumed here, and charges per token."""

    def __init__(self, plan: Plan, price: ApiPrice, hardware: Hardware) -> None:
        super().__init__(plan, hardware)
        self._price = price

    @cached_property
    def memory(self) -> Memory:
        return Memory(features=feature_bytes(self._plan))

    @cached_property
    def least_memory_bytes(self) -> float:
        return 0.0

    @cached_property
    def seconds(self) -> float:
        return self.flops / self._hardware.speed

    @property
    def usd(self) -> float | None:
        plan = self._plan
        rows = rows_sent(plan)
        return self._price.usd(rows * (plan.prompt + plan.work.tokens), rows * plan.answer)


class Serving:
    """Cost of using the result; worked out when it is asked for.

    On own hardware: compute-bound for the prompt, bound by reading weights for each new token.

    Attributes:
        memory: While one request is answered; nothing where somebody else hosts the model.
        prompt_tokens: Ahead of every input.
        flops: Of one request.
        latency_seconds: Of one request on an idle node; None where somebody else hosts the model.
        usd_per_1000: Requests, at full use of the devices or at the price of an API.
        hosting_usd_per_month: Devices that hold the model all month, per task served.
    """

    def __init__(self, plan: Plan, hardware: Hardware, tasks_served: int) -> None:
        self._plan, self._hardware, self._tasks_served = plan, hardware, tasks_served
        self.prompt_tokens = plan.prompt

    @cached_property
    def memory(self) -> Memory:
        return serving_memory(self._plan, self._hardware, self._tasks_served)

    @cached_property
    def flops(self) -> float:
        return request_flops(self._plan)

    @cached_property
    def latency_seconds(self) -> float | None:
        plan, hardware = self._plan, self._hardware
        bandwidth = hardware.devices * hardware.bandwidth
        reading = plan.shape.params * hardware.weight_bytes / bandwidth
        launching = plan.shape.layers * hardware.seconds_per_layer
        latency = max(self.flops / hardware.speed, reading, launching)
        if plan.work.generates:
            latency += plan.answer * max(reading + self.memory.cache / bandwidth, launching)
        return latency

    @property
    def usd_per_1000(self) -> float | None:
        hardware = self._hardware
        one = hardware.usd(self.flops / (hardware.flops_per_second * hardware.utilization))
        return None if one is None else 1000 * one

    @property
    def hosting_usd_per_month(self) -> float | None:
        devices = self._hardware.devices_for(self.memory.total - self.memory.overhead)
        month = self._hardware.usd(HOURS_A_MONTH * 3600 * devices)
        return None if month is None else month / self._tasks_served


class _ServingByApi(Serving):
    """Somebody else hosts the model and charges per token."""

    def __init__(self, plan: Plan, price: ApiPrice, hardware: Hardware) -> None:
        super().__init__(plan, hardware, tasks_served=1)
        self._price = price

    @cached_property
    def memory(self) -> Memory:
        return Memory()

    @cached_property
    def latency_seconds(self) -> float | None:
        return None

    @property
    def usd_per_1000(self) -> float | None:
        plan = self._plan
        return 1000 * self._price.usd(plan.prompt + plan.work.tokens, plan.answer)

    @property
    def hosting_usd_per_month(self) -> float | None:
        return 0.0


class Costs:
    """What one strategy costs; bytes, seconds, floating-point operations, US dollars.

    Most questions need few of these numbers, so each is worked out when it is asked for.

    Attributes:
        fits: Whether memory, hours and latency suffice; reason: what does not, else "".
        artefact_bytes: On disk per task.
        hardware: What it runs on, with the number of devices, or "an API".
        price_note: What that costs, and where and when the price was read.
    """

    def __init__(self, plan: Plan, hardware: Hardware, use: _Use) -> None:
        self.strategy = plan.traits.id
        self._plan, self._hardware, self._use = plan, hardware, use
        self.training: Training
        self.serving: Serving
        if use.price is None:
            self.training = Training(plan, hardware)
            self.serving = Serving(plan, hardware, use.tasks_served)
        else:
            self.training = _TrainingByApi(plan, use.price, hardware)
            self.serving = _ServingByApi(plan, use.price, hardware)

    @property
    def artefact_bytes(self) -> float:
        return artefact_bytes(self._plan, self._hardware)

    @cached_property
    def reason(self) -> str:
        if self._use.price is not None:
            return ""
        return _obstacle(self._use, self.training, self.serving, self._hardware)

    @property
    def fits(self) -> bool:
        return not self.reason

    @property
    def hardware(self) -> str:
        if self._use.price is not None:
            return "an API"
        return f"{self._hardware.devices} x {self._hardware.name}"

    @property
    def price_note(self) -> str:
        return self._hardware.price_note if self._use.price is None else self._use.price.note

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
    return Costs(plan_of(traits, shape, work), hardware, use)


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
    prompted = Serving(plan, hardware, facts.tasks_served)
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
