"""What a strategy costs before anything is run: memory, operations, time, money.

Every formula asks for traits and sizes, never for the name of a strategy. `FORMULAS` lists them
with their sources, for the reader of an answer.
"""

from advisor.costs.estimate import Costs, Serving, Training, break_even, estimate
from advisor.costs.hardware import Hardware
from advisor.costs.memory import Memory
from advisor.costs.money import BreakEven
from advisor.costs.shape import Shape
from advisor.costs.workload import Workload

FORMULAS: tuple[tuple[str, str, str], ...] = (
    ("forward pass", "2 N T + 4 L h T^2 operations for N parameters outside the token embeddings, T tokens, L layers of width h", "Kaplan et al. 2020, 2.1; Narayanan et al. 2021"),
    ("conv net", "2 x published multiply-adds, else 320 N, times pixels / 224^2", "ResNet-50, ConvNeXt"),
    ("training", "3 forward passes where all weights move, 2 where gradients pass through a frozen body, 1 per example in all for a probe", "Kaplan et al. 2020, 2.1"),
    ("training memory", "16 bytes per trained parameter, 2 (bf16) or 4 (fp32) per frozen one, plus activations", "Rajbhandari et al. 2020, 3.1"),
    ("activations", "batch x T x L x h x numbers kept per token: 10 to 31, fewer through a frozen body", "Korthikanti et al. 2022, 4; benchmarks/saved_activations.py"),
    ("logits", "batch x answer tokens x vocabulary x 4 bytes x 3 while training, computed at answer positions only", "shape of the output layer"),
    ("keys and values", "2 L x key width x tokens x 2 bytes", "Pope et al. 2022, 2.1"),
    ("time", "operations / (devices x peak x 0.4), plus loading at 1 GB/s", "Chowdhery et al. 2022, table 3"),
    ("answer time", "the larger of operations / speed and weights / bandwidth; once more per written token", "Pope et al. 2022, 2.2"),
    ("money", "device hours x list price; serving at full use of the devices", "advisor/catalogue/accelerators.json"),
)  # fmt: skip

__all__ = [
    "FORMULAS",
    "BreakEven",
    "Costs",
    "Hardware",
    "Memory",
    "Serving",
    "Shape",
    "Training",
    "Workload",
    "break_even",
    "estimate",
]
