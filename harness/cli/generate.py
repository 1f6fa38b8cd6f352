"""`harness generate`: data sets made by the program, for trying things out."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("kind", type=click.Choice(["fractures"]))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to write; must not be there yet.",
)
@click.option(
    "--images", default=4000, show_default=True, help="How many, a fifth of them to test."
)
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same images.")
def generate(kind: str, out: Path, images: int, seed: int) -> None:
    """Make a set of images with boxes: fractures, X-ray-like and synthetic, no medical data."""
    from harness.datasets.generated import write_fractures

    write_fractures(out, images=images, seed=seed)
    click.echo(f"{images:,} images in {out}; use them with harness run --data {out}")
