"""Where run records are kept: append and find, nothing else. Many processes may write at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from advisor.errors import OutputError
from harness.closing import Closing
from harness.files import no_room
from harness.records import SETTLED, RunRecord

_LOCK_SECONDS = 60  # how long a writer waits for another one


@dataclass(frozen=True)
class Migration:
    """One numbered change of the database, applied once and never edited afterwards."""

    number: int
    name: str
    statements: tuple[str, ...]


MIGRATIONS = (
    Migration(
        1,
        "keep records",
        (
            """CREATE TABLE records (
                record_id VARCHAR(64) PRIMARY KEY,
                content_id VARCHAR(64) NOT NULL,
                strategy VARCHAR(64) NOT NULL,
                stage VARCHAR(16) NOT NULL,
                seed INTEGER NOT NULL,
                status VARCHAR(16) NOT NULL,
                settled SMALLINT NOT NULL,
                time VARCHAR(40) NOT NULL,
                body TEXT NOT NULL
            )""",
            # Of a trial that ran twice (a lost node, a second process) the first result counts.
            "CREATE UNIQUE INDEX records_settled ON records (content_id) WHERE settled = 1",
            "CREATE INDEX records_content ON records (content_id)",
        ),
    ),
    Migration(
        2,
        "claim trials",
        (
            """CREATE TABLE claims (
                content_id VARCHAR(64) PRIMARY KEY,
                owner VARCHAR(64) NOT NULL,
                expires DOUBLE PRECISION NOT NULL
            )""",
        ),
    ),
)

_MIGRATIONS = sa.Table(
    "migrations",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("time", sa.String(40), nullable=False),
)
# As the migrations leave it; only for queries, never for creating.
_RECORDS = sa.table(
    "records",
    *(
        sa.column(name)
        for name in (
            "record_id", "content_id", "strategy", "stage", "seed", "status", "settled", "time", "body",
        )
    ),
)  # fmt: skip

_CLAIMS = sa.table("claims", *(sa.column(name) for name in ("content_id", "owner", "expires")))


class Store(Closing):
    """An append-only collection of run records in a database.

    Args:
        url: An SQLAlchemy URL, or the path of an SQLite file (created if missing).

    Raises:
        OutputError: If the file is no store, or one of a newer version of the package.
    """

    def __init__(self, url: str | Path) -> None:
        is_path = isinstance(url, Path) or "://" not in url
        self.url = f"sqlite:///{url}" if is_path else str(url)
        arguments = {"timeout": _LOCK_SECONDS} if self.url.startswith("sqlite") else {}
        try:
            self._engine = sa.create_engine(self.url, connect_args=arguments)
        except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
            raise OutputError(
                f"{self.url} is no store ({error}). Name a file, or an SQLAlchemy URL whose driver "
                "is installed."
            ) from None
        try:
            self._migrate()
        except sa.exc.DatabaseError as error:
            if isinstance(error, sa.exc.OperationalError) and no_room(error.orig):
                raise self._unwritable(error) from None
            raise OutputError(
                f"{self.url} cannot be used as a store of records ({error.orig}). "
                "Name another folder with --out."
            ) from error

    def append(self, record: RunRecord) -> bool:
        """Keep a record; idempotent.

        Returns:
            False if this record, or a settled one of the same trial, was kept before.
        """
        asked, happened = record.asked, record.happened
        row = {
            "record_id": record.record_id,
            "content_id": record.content_id,
            "strategy": asked.strategy,
            "stage": asked.stage,
            "seed": asked.seed,
            "status": happened.status,
            "settled": int(happened.status in SETTLED),
            "time": record.on.time,
            "body": record.model_dump_json(),
        }
        return self._insert(sa.insert(_RECORDS).values(**row))

    def find(self, content_id: str) -> RunRecord | None:
        """The settled record of a trial; None if it never ran to an end."""
        found = self._select(_RECORDS.c.content_id == content_id, _RECORDS.c.settled == 1)
        return found[0] if found else None

    def query(
        self,
        *,
        strategy: str | None = None,
        stage: str | None = None,
        status: str | None = None,
        seed: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """All records with these values, oldest first."""
        wanted = {"strategy": strategy, "stage": stage, "status": status, "seed": seed}
        return self._select(
            *(_RECORDS.c[name] == value for name, value in wanted.items() if value is not None)
        )

    def claim(self, content_id: str, owner: str, seconds: float) -> bool:
        """Say that a process works on a trial; False if another one does.

        A claim that was not renewed in time is taken over. Clocks of machines that share a store
        must agree to within a small part of `seconds`.
        """
        now = time.time()
        mine = {"owner": owner, "expires": now + seconds}
        if self._insert(sa.insert(_CLAIMS).values(content_id=content_id, **mine)):
            return True
        ended = sa.or_(_CLAIMS.c.expires < now, _CLAIMS.c.owner == owner)
        return self._write(
            sa.update(_CLAIMS).where(_CLAIMS.c.content_id == content_id, ended).values(**mine)
        )

    def renew(self, owner: str, seconds: float) -> None:
        """Let all claims of a process stand for so many more seconds."""
        expires = time.time() + seconds
        self._write(sa.update(_CLAIMS).where(_CLAIMS.c.owner == owner).values(expires=expires))

    def release(self, owner: str, content_id: str | None = None) -> None:
        """Give up the claim of a process on a trial, or all its claims."""
        which = [] if content_id is None else [_CLAIMS.c.content_id == content_id]
        self._write(sa.delete(_CLAIMS).where(_CLAIMS.c.owner == owner, *which))

    def close(self) -> None:
        self._engine.dispose()

    def _select(self, *conditions: sa.ColumnElement[bool]) -> tuple[RunRecord, ...]:
        statement = sa.select(_RECORDS.c.body).where(*conditions).order_by(_RECORDS.c.time)
        with self._engine.connect() as connection:
            bodies = connection.execute(statement).scalars().all()
        return tuple(RunRecord.model_validate_json(body) for body in bodies)

    def _insert(
        self, statement: sa.Insert, then: Callable[[sa.Connection], None] | None = None
    ) -> bool:
        """Insert, and do the rest in the same transaction; False if the row is there already."""
        try:
            with self._engine.begin() as connection:
                connection.execute(statement)
                if then is not None:
                    then(connection)
        except sa.exc.IntegrityError:
            return False
        except sa.exc.OperationalError as error:
            raise self._unwritable(error) from None
        return True

    def _write(self, statement: sa.Update | sa.Delete) -> bool:
        """Whether a row was changed."""
        try:
            with self._engine.begin() as connection:
                return connection.execute(statement).rowcount > 0
        except sa.exc.OperationalError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: sa.exc.OperationalError) -> OutputError:
        return OutputError(
            f"{self.url} cannot be written ({error.orig}); what was kept before is whole. Make room "
            "or permit writing, then give the same command again."
        )

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.schema.CreateTable(_MIGRATIONS, if_not_exists=True))
        with self._engine.connect() as connection:
            newest = connection.execute(sa.select(sa.func.max(_MIGRATIONS.c.number))).scalar() or 0
        if newest > MIGRATIONS[-1].number:
            raise OutputError(
                f"{self.url} was written by a newer version of this package (schema {newest}, "
                f"known up to {MIGRATIONS[-1].number}). Update the package or name another folder."
            )
        for migration in MIGRATIONS[newest:]:
            self._apply(migration)

    def _apply(self, migration: Migration) -> None:
        """Claim the number first: of several processes that open a new store, one goes on."""

        def change(connection: sa.Connection) -> None:
            for statement in migration.statements:
                connection.execute(sa.text(statement))

        row = sa.insert(_MIGRATIONS).values(
            number=migration.number,
            name=migration.name,
            time=datetime.now(UTC).isoformat(),
        )
        self._insert(row, then=change)
