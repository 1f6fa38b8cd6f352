"""The group of subcommands. Nothing heavy is imported until a command runs."""

from __future__ import annotations

import click

from harness.cli.calibrate import calibrate
from harness.cli.data import data
from harness.cli.evidence import evidence
from harness.cli.generate import generate
from harness.cli.matrix import matrix
from harness.cli.models import models
from harness.cli.predict import predict
from harness.cli.pretrain import pretrain
from harness.cli.profile import profile
from harness.cli.report import report
from harness.cli.run import run
from harness.cli.runs import runs
from harness.cli.study import study


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="adaptation-advisor", prog_name="harness")
def app() -> None:
    """Measure which way of adapting a pretrained model works best on your data."""


for command in (
    run,
    runs,
    profile,
    predict,
    report,
    models,
    data,
    generate,
    matrix,
    study,
    pretrain,
    evidence,
    calibrate,
):
    app.add_command(command)
