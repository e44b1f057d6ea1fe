"""Connections to PostgreSQL, and what its errors mean to a caller."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from jiankang.kernel.errors import OutOfStorage, TooCostly, TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

# Every query of ours is meant to walk indexes from few rows: a planner misled by young statistics must not choose
# to read whole tables, and a plan must not depend on the values of its first callers.
# Where a pooler drops what a connection asks for, the role must have them: deploy/postgresql/role.sql.
SESSION_SETTINGS = {
    "timezone": "UTC",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_seqscan": "off",
    "statement_timeout": "1min",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "2min",
}
_SESSION = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())


_LOOK_SECONDS = 2.0
_LOST_SECONDS = 0.5


class _Pool(AsyncConnectionPool[Any]):
    """Waits for a connection that others use, but not for a database that is not there."""

    lost = False

    async def getconn(self, timeout: float | None = None) -> psycopg.AsyncConnection[Any]:  # noqa: ASYNC109 - as inherited
        """A connection. Raises PoolTimeout, soon when the last attempt to connect failed."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            left = deadline - time.monotonic()
            try:
                db: psycopg.AsyncConnection[Any] = await super().getconn(
                    min(left, _LOST_SECONDS if self.lost else _LOOK_SECONDS)
                )
                return db
            except PoolTimeout:
                if self.lost or left <= _LOOK_SECONDS:
                    raise


def open_pool(
    database_url: str, min_size: int = 1, max_size: int = 8, *, prepare: bool = True, timeout: float = 10.0
) -> AsyncConnectionPool[Any]:
    """A pool of autocommitting connections, to be entered with `async with`; waits `timeout` seconds for a free one."""

    async def configure(db: psycopg.AsyncConnection[Any]) -> None:
        db.prepare_threshold = 1 if prepare else None
        db.prepared_max = 400

    class Connection(psycopg.AsyncConnection[Any]):
        @classmethod
        async def connect(cls, *given: Any, **options: Any) -> Self:
            try:
                made = await super().connect(*given, **options)
            except psycopg.OperationalError:
                pool.lost = True
                raise
            pool.lost = False
            return made

    pool = _Pool(
        database_url,
        connection_class=Connection,
        min_size=min_size,
        max_size=max_size,
        timeout=timeout,
        open=False,
        configure=configure,
        reconnect_timeout=1.0,  # then whoever asks next tries anew: a database that is back is found at once
        kwargs={"autocommit": True, "options": _SESSION, "connect_timeout": 5},
    )
    return pool


def session_differs(database_url: str) -> list[str]:
    """Names of the session settings that do not reach the server through this address."""
    with psycopg.connect(database_url, autocommit=True, options=_SESSION, connect_timeout=5) as db:
        found = {name: db.execute(f"SHOW {name}").fetchone() for name in SESSION_SETTINGS}
    return [name for name, value in found.items() if value != (SESSION_SETTINGS[name],)]


@contextmanager
def translated() -> Iterator[None]:
    """Turn PostgreSQL's errors into ours: lost, full, too slow. Others pass as they are."""
    try:
        yield
    except (pg.DiskFull, pg.OutOfMemory) as error:
        raise OutOfStorage("there is no room left to keep this; nothing of it was stored") from error
    except pg.QueryCanceled as error:
        raise TooCostly("this took longer than is allowed; ask for less at a time") from error
    except (pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, pg.TooManyConnections, PoolTimeout) as error:
        raise Unavailable("the database cannot be reached just now; try again") from error
    except (pg.DeadlockDetected, pg.SerializationFailure, pg.UniqueViolation):
        raise
    except pg.ProgramLimitExceeded as error:
        raise TooLarge("a single value in this is longer than can be kept") from error
    except pg.LockNotAvailable as error:
        raise Unavailable("others are changing the same resources; try again") from error
    except psycopg.OperationalError as error:
        raise Unavailable("the database cannot be reached just now; try again") from error
