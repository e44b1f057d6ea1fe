"""Connections to PostgreSQL, and what its errors mean to a caller."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from jiankang.kernel.errors import OutOfStorage, TooCostly, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

# Every query of ours is meant to walk indexes from few rows: a planner misled by young statistics must not choose
# to read whole tables, and a plan must not depend on the values of its first callers.
_SESSION = (
    "-c timezone=UTC -c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off "
    "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=120s"
)


def open_pool(
    database_url: str, min_size: int = 1, max_size: int = 8, *, prepare: bool = True, timeout: float = 10.0
) -> AsyncConnectionPool[Any]:
    """A pool of autocommitting connections, to be entered with `async with`; waits `timeout` seconds for a free one."""

    async def configure(db: psycopg.AsyncConnection[Any]) -> None:
        db.prepare_threshold = 1 if prepare else None
        db.prepared_max = 400

    return AsyncConnectionPool(
        database_url,
        min_size=min_size,
        max_size=max_size,
        timeout=timeout,
        open=False,
        configure=configure,
        kwargs={"autocommit": True, "options": _SESSION},
    )


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
    except pg.LockNotAvailable as error:
        raise Unavailable("others are changing the same resources; try again") from error
    except psycopg.OperationalError as error:
        raise Unavailable("the database cannot be reached just now; try again") from error
