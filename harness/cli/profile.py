"""`harness profile`: what is known of a model and data before anything is trained."""

from __future__ import annotations

from pathlib import Path

import click

_DEFAULT = "situation.yaml"


@click.command()
@click.option(
    "--model",
    required=True,
    metavar="NAME",
    help="Packaged name (see `harness models`), folder, hub id or timm:NAME.",
)
@click.option(
    "--data",
    required=True,
    metavar="NAME",
    help="Packaged name, CSV file, .txt file (one text a line) or folder of images; labels optional.",
)
@click.option("--text-column", default="text", show_default=True, metavar="NAME")
@click.option(
    "--text-b-column",
    default="text_b",
    show_default=True,
    metavar="NAME",
    help="The second text of a pair.",
)
@click.option(
    "--label-column", metavar="NAME", help="`label` if there is such a column, else no labels."
)
@click.option("--group-column", metavar="NAME", help="Rows of one group are kept together.")
@click.option("--label-names", metavar="A,B,...", help="Names of the labels in sorted order.")
@click.option("--description", metavar="TEXT", help="What the task is, in words.")
@click.option("--test-data", metavar="PATH", help="Test set, looked through for leakage.")
@click.option(
    "--rows",
    type=int,
    metavar="N",
    help="Inputs that the model reads: 64 by default, 16 for decoders.",
)
@click.option(
    "--max-tokens",
    type=int,
    default=128,
    show_default=True,
    metavar="N",
    help="Longer texts are cut when the model reads them.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws those inputs.")
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help=f"Situation file; {_DEFAULT} by default, - prints it alone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; writes no file without --out.")
@click.option("--verbose", is_flag=True, help="Let libraries print their notes and warnings.")
def profile(
    model: str,
    data: str,
    text_column: str,
    text_b_column: str,
    label_column: str | None,
    group_column: str | None,
    label_names: str | None,
    description: str | None,
    test_data: str | None,
    rows: int | None,
    max_tokens: int,
    seed: int,
    device: str,
    out: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Describe model and data, measure the domain shift, write a situation for `advise --spec`."""
    if not verbose:
        from harness.cli.quiet import quiet

        quiet()
    import json

    from harness.datasets.base import DataRequest
    from harness.profile.describe import make_profile
    from harness.profile.situation_file import as_yaml, situation_of, write_situation
    from harness.profile.table import as_text

    request = DataRequest(
        data=data,
        text_column=text_column,
        text_b_column=text_b_column,
        group_column=group_column,
        label_names=None if label_names is None else tuple(label_names.split(",")),
        description=description,
        test_data=test_data,
        seed=seed,
    )
    found = make_profile(
        model,
        request,
        label_column=label_column,
        rows=rows,
        max_tokens=max_tokens,
        device=device,
    )
    if out == Path("-"):
        click.echo(as_yaml(found))
        return
    file = out or (None if as_json else Path(_DEFAULT))
    if file is not None:
        write_situation(found, file)
    if as_json:
        told = {**found.to_dict(), "situation": situation_of(found).to_dict()}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False, default=str))
        return
    click.echo(as_text(found))
    click.echo(f"situation     {file}: `advise --spec {file}`")
