"""Sentences of tagged words in a file of CoNLL's form, or in a folder of such files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from advisor.errors import SpecError
from harness.datasets import tagged
from harness.datasets.assemble import assemble
from harness.datasets.base import DataRequest, Dataset


class ConllSource:
    """One word and its tag a line, a blank line between sentences."""

    def accepts(self, request: DataRequest) -> bool:
        return tagged.is_conll(Path(request.data).expanduser())

    def load(self, request: DataRequest) -> Dataset:
        if request.task not in (None, tagged.TASK):
            raise SpecError(
                f"task {request.task}: {request.data} holds words and tags; write --task token_labelling."
            )
        location = Path(request.data).expanduser()
        asked = replace(request, task=tagged.TASK, output="texts")
        return assemble(asked, tagged.read(location), name=location.resolve().stem, modality="text")
