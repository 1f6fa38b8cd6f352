"""Records in the forms other tools read: CSV, Parquet, MLflow."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from advisor.errors import MissingExtra, OutputError
from harness.files import write_text
from harness.records import RunRecord
from harness.runs import flat

Kept = Sequence[tuple[Path, RunRecord]]
EXPERIMENT = "adaptation-advisor"
_MARK = "trial"  # tag of an MLflow run: which record it is


def export_records(form: str, kept: Kept, to: str) -> None:
    """Write records.

    Args:
        form: csv, parquet or mlflow.
        to: File, or tracking URI of MLflow.

    Raises:
        MissingExtra: If the package that writes the form is not installed.
        OutputError: If it cannot be written.
    """
    try:
        FORMS[form](kept, to)
    except OSError as error:
        # pyarrow puts its own words, with the temporary name, in place of the system's
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OutputError(f"cannot write {to} ({why}).") from None


def _rows(kept: Kept) -> list[dict[str, Any]]:
    return [row for folder, one in kept for row in flat(folder, [one])]


def _csv(kept: Kept, to: str) -> None:
    rows = _rows(kept)
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]) if rows else ["run"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(Path(to), text.getvalue().rstrip("\n"))


def _parquet(kept: Kept, to: str) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise MissingExtra(
            "Parquet needs pyarrow: pip install 'adaptation-advisor[track]'."
        ) from None
    target = Path(to)
    temporary = target.with_name(f".{target.name}.tmp")
    pq.write_table(pa.Table.from_pylist(_rows(kept)), temporary)
    temporary.replace(target)


def _mlflow(kept: Kept, to: str) -> None:
    """One MLflow run per record; records that are there already are left alone."""
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException
    except ModuleNotFoundError:
        raise MissingExtra(
            "MLflow is not installed: pip install 'adaptation-advisor[track]'."
        ) from None
    for name in ("mlflow", "alembic"):  # which tell every table they make
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a wrong address in seconds
    try:
        client = MlflowClient(tracking_uri=to)
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = client.create_experiment(EXPERIMENT) if found is None else found.experiment_id
        there = _marks(client, experiment)
        for folder, record in kept:
            if record.record_id in there:
                continue
            (row,) = flat(folder, [record])
            time = int(datetime.fromisoformat(record.on.time).timestamp() * 1000)
            tags = {_MARK: record.record_id, "content_id": record.content_id}
            run = client.create_run(
                experiment, start_time=time, tags=tags, run_name=f"{row['strategy']} {row['stage']}"
            )
            numbers = {k: v for k, v in row.items() if isinstance(v, float)}
            client.log_batch(
                run.info.run_id,
                metrics=[Metric(k, v, time, 0) for k, v in numbers.items()],
                params=[
                    Param(k, str(v)[:500])
                    for k, v in row.items()
                    if k not in numbers and v is not None
                ],
            )
            failed = record.happened.status == "failed"
            client.set_terminated(run.info.run_id, "FAILED" if failed else "FINISHED", time)
    except MlflowException as error:
        sentence = str(error).strip().splitlines()[0].split(". ")[0].rstrip(".")
        raise OutputError(
            f"MLflow cannot write to {to} ({sentence}). Give a tracking URI such as "
            "sqlite:///mlflow.db or the address of a server."
        ) from None


def _marks(client: Any, experiment: str) -> set[str]:
    """Record ids of the runs an experiment holds; what an export left unfinished is deleted."""
    found: set[str] = set()
    token = None
    while True:
        page = client.search_runs([experiment], page_token=token, max_results=1000)
        for run in page:
            if _MARK not in run.data.tags:
                continue
            if run.info.status == "RUNNING":
                client.delete_run(run.info.run_id)
            else:
                found.add(run.data.tags[_MARK])
        token = page.token
        if not token:
            return found


FORMS: dict[str, Callable[[Kept, str], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "mlflow": _mlflow,
}
