"""What requests cost, and from how many requests a month training pays."""

from typing import NamedTuple

HOURS_A_MONTH = 730
MONTHS = 12
"""Over which the cost of one training is spread."""


class ApiPrice(NamedTuple):
    """USD per million tokens that an API charges, and where that was read."""

    input: float
    output: float
    note: str

    def usd(self, inputs: float, outputs: float) -> float:
        return (inputs * self.input + outputs * self.output) / 1e6


def api_price(model: str | None, params: float) -> ApiPrice:
    """Price of the named model, else of an open model of this size."""
    from advisor.catalogue import api_prices

    rows = api_prices()
    row = next((row for row in rows if row["name"] == model), None)
    if row is None:
        row = next(row for row in rows if params <= _number(row.get("up_to_params", 0)))
    return ApiPrice(
        _number(row["usd_per_million_input"]),
        _number(row["usd_per_million_output"]),
        f"${_number(row['usd_per_million_input']):.2f} per million tokens "
        f"({row['name']}, {row['note']}, {row['date']})",
    )


class BreakEven(NamedTuple):
    """From how many requests a month a trained strategy is cheaper than a long prompt.

    Attributes:
        strategy: The trained one; against: the prompted one.
        prompt_tokens: Length of the long prompt; demonstrations: examples in it.
        own_hardware: Requests a month, where both run on the same hardware and are charged for
            the time they use; None if the prompt is never dearer.
        api: Requests a month, where the prompt goes to an API and the trained model is hosted on
            own devices all month; None if the prompt is never dearer or a price is not known.
        assumption: Sentence that says what was assumed.
    """

    strategy: str
    against: str
    prompt_tokens: float
    demonstrations: int
    own_hardware: float | None
    api: float | None
    assumption: str

    def to_dict(self) -> dict[str, object]:
        return self._asdict()


def requests_to_repay(fixed: float, saved_per_request: float) -> float | None:
    """Requests a month after which what is saved on each repays the fixed costs of a month."""
    return fixed / saved_per_request if saved_per_request > 0 else None


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value
