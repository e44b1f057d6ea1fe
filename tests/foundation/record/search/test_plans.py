"""At 200,000 resources: no hot search reads a table from end to end, or more rows than its answer needs.

The rows are those that the real indexing makes of a few hundred resources, multiplied in SQL: a copy has other rids, and
as references are rids XOR a constant, the same XOR moves what refers to them. `JIANKANG_PLAN_ROWS` makes it larger.
"""

from __future__ import annotations

import os
import re
import time

import pytest

from jiankang.foundation.access import compartment_key, resource_key
from jiankang.foundation.record import indexing
from jiankang.kernel.errors import TooCostly

ROWS = int(os.environ.get("JIANKANG_PLAN_ROWS", "200000"))
PATIENTS, EACH = 40, 24
LOINC = "http://loinc.org"

TEMPLATE = """
CREATE TEMP TABLE moving (key bigint PRIMARY KEY);
CREATE TEMP TABLE mask AS SELECT n, ((('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint) >> 3) << 3 AS m
    FROM generate_series(1, %(copies)s) AS n;
"""
COPIES = """
CREATE TEMP TABLE t_resource AS SELECT r.*, ARRAY(SELECT CASE WHEN EXISTS (SELECT FROM moving WHERE key = u.k) THEN -1::bigint
    ELSE 0 END FROM unnest(r.keys) WITH ORDINALITY AS u(k, o) ORDER BY o) AS xs FROM resource AS r;
CREATE TEMP TABLE t_idx AS SELECT i.*, {moves} FROM idx AS i;
CREATE TEMP TABLE t_str AS SELECT * FROM str; CREATE TEMP TABLE t_span AS SELECT * FROM span;
CREATE TEMP TABLE t_quantity AS SELECT * FROM quantity;
INSERT INTO resource SELECT rid # m, home # m, CASE WHEN at = 0 THEN 0 ELSE at + n * 1000000 END, updated + n * interval '1 ms',
    version, type, deleted, method, id || '-' || n, present,
    ARRAY(SELECT u.k # (m & u.x) FROM unnest(keys, xs) AS u(k, x)), words, body FROM t_resource, mask;
INSERT INTO idx SELECT rid # m, home # m, CASE WHEN at = 0 THEN 0 ELSE at + n * 1000000 END, {keys} FROM t_idx, mask;
INSERT INTO str SELECT hash, rid # m, home # m, norm || n, raw || n FROM t_str, mask;
INSERT INTO span SELECT hash, lo + n * 1000000, hi + n * 1000000, rid # m, home # m FROM t_span, mask;
INSERT INTO quantity SELECT hash, lo, hi, unit, canon_unit, canon_lo, canon_hi, rid # m, home # m FROM t_quantity, mask;
"""


def patient(n):
    return {
        "resourceType": "Patient",
        "id": f"p{n}",
        "gender": ["male", "female"][n % 2],
        "birthDate": f"19{30 + n}-03-04",
        "name": [{"family": f"Family{n:02d}", "given": ["张伟"]}],
        "identifier": [{"system": "urn:nid", "value": f"{n:06d}"}],
    }


def observation(n, m):
    return {
        "resourceType": "Observation",
        "id": f"o{n}-{m}",
        "status": "final",
        "category": [{"coding": [{"system": "urn:cat", "code": ["vital-signs", "laboratory"][m % 2]}]}],
        "code": {"coding": [{"system": LOINC, "code": f"{m % 12}-1", "display": f"Analyte {m % 12}"}]},
        "subject": {"reference": f"Patient/p{n}"},
        "encounter": {"reference": f"Encounter/e{n}"},
        "effectiveDateTime": f"20{m % 20:02d}-{n % 12 + 1:02d}-11",
        "valueQuantity": {"value": m + n, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
    }


def encounter(n):
    return {
        "resourceType": "Encounter",
        "id": f"e{n}",
        "status": "finished",
        "class": {"system": "urn:class", "code": "AMB"},
        "subject": {"reference": f"Patient/p{n}"},
        "period": {"start": f"2015-01-{n % 28 + 1:02d}", "end": f"2015-01-{n % 28 + 1:02d}"},
    }


def moving_keys():
    """The keys that follow their resource: references, compounds, compartments, and identifiers (each copy has its own)."""
    found = []
    for n in range(PATIENTS):
        rid = resource_key("Patient", f"p{n}")
        found.append(compartment_key("Patient", rid))
        found.append(compartment_key("Encounter", resource_key("Encounter", f"e{n}")))
        for type_name in ("Observation", "Encounter"):
            found += [indexing.reference_key(type_name, code, rid) for code in ("subject", "patient")]
        found.append(indexing.reference_key("Observation", "encounter", resource_key("Encounter", f"e{n}")))
        for m in range(12):
            token = indexing.token_key("Observation", "code", LOINC, f"{m}-1")
            found.append(indexing.compound_key("Observation", rid, token))
        for category in ("vital-signs", "laboratory"):
            token = indexing.token_key("Observation", "category", "urn:cat", category)
            found.append(indexing.compound_key("Observation", rid, token))
        found.append(indexing.token_key("Patient", "identifier", "urn:nid", f"{n:06d}"))
        found.append(indexing.value_key("Patient", "identifier", f"{n:06d}"))
    return sorted(set(found))


@pytest.fixture
async def large(rig):
    for n in range(PATIENTS):
        await rig.put(patient(n), encounter(n), *(observation(n, m) for m in range(EACH)))
    lanes = range(indexing.LANES)
    moves = ", ".join(
        f"CASE WHEN EXISTS (SELECT FROM moving WHERE key = i.h{n}) THEN -1::bigint ELSE 0 END AS x{n}" for n in lanes
    )
    keys = ", ".join(f"h{n} # (m & x{n})" for n in lanes)
    copies = ROWS // (PATIENTS * (EACH + 2))
    async with rig.record.side.connection() as db:
        await db.execute("SET statement_timeout = 0")
        await db.execute("SET synchronous_commit = off")
        indexes = await (
            await db.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('idx', 'str', 'span', 'quantity', 'resource') "
                "AND indexname NOT LIKE '%%pkey' AND schemaname = 'public'"
            )
        ).fetchall()
        for name, _ in indexes:
            await db.execute(f"DROP INDEX {name}")
        for part in TEMPLATE.replace("%(copies)s", str(copies)).split(";\n"):
            if part.strip():
                await db.execute(part)
        await db.execute("INSERT INTO moving SELECT unnest(%s::bigint[])", (moving_keys(),))
        for part in COPIES.format(moves=moves, keys=keys).split(";"):
            if part.strip():
                await db.execute(part)
        await db.execute("SET maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            await db.execute(definition)
        for table in ("resource", "idx", "str", "span", "quantity"):
            await db.execute(f"VACUUM ANALYZE {table}")
        row = await (await db.execute("SELECT count(*) FROM resource")).fetchone()
    assert row[0] >= ROWS * 0.98
    return rig


HOT = [
    ("Observation", f"patient=Patient/p3&code={LOINC}|3-1&_sort=-date&_count=20", 60),
    ("Observation", "patient=Patient/p3&category=urn:cat|laboratory&_sort=-date&_count=20", 100),
    ("Observation", "patient=Patient/p3&_count=50", 250),
    ("Observation", f"code={LOINC}|3-1&_sort=-date&_count=20", 80),
    ("Observation", f"code={LOINC}|3-1&date=ge2010&_sort=-date&_count=20", 200),
    ("Observation", "_sort=-date&_count=20", 80),
    ("Observation", "status=final&_count=20", 80),
    ("Observation", "_lastUpdated=gt2000&_sort=-_lastUpdated&_count=20", 120),
    ("Observation", "patient.identifier=urn:nid|000003&_count=20", 120),
    ("Observation", f"patient.identifier=urn:nid|000003&code={LOINC}|3-1&_count=20", 120),
    ("Observation", "encounter=Encounter/e3&_count=20", 120),
    ("Observation", "_id=o3-1", 10),
    ("Observation", "value-quantity=gt20&patient=Patient/p3", 250),
    ("Patient", "identifier=urn:nid|000003", 10),
    ("Patient", "identifier=000003", 10),
    ("Patient", "name=family03&_count=20", 400),  # all of the name, sorted, as long as no VACUUM has seen the rows
    ("Patient", "name=family03&gender=female&_count=20", 400),
    ("Patient", "family:exact=Family037", 10),
    ("Patient", "_sort=family&_count=20", 200),
    ("Patient", "_sort=-birthdate&_count=20", 200),
    ("Patient", "birthdate=1933-03-04&name=family03&_count=20", 1500),
    ("Patient", "_has:Observation:patient:_id=o3-1", 80),
    ("Encounter", "patient=Patient/p3&_sort=-date", 30),
    ("Encounter", "date=sa2015-01-04&date=eb2015-01-07&_count=20", 3_000),
    (None, "_id=p3", 20),
    (None, "_type=Patient,Encounter&_sort=-_lastUpdated&_count=20", 200),
]
SCANS = re.compile(
    r"(Seq Scan|(?<!Bitmap )Index Scan|Index Only Scan|Bitmap Heap Scan|Function Scan|CTE Scan).*rows=([\d.]+) loops=(\d+)"
)
REMOVED = re.compile(r"Rows Removed by (?:Filter|Index Recheck): (\d+)")


def rows_read(lines):
    total, loops = 0.0, 1
    for line in lines:
        if found := SCANS.search(line):
            loops = int(found[3])
            if found[1] not in {"Function Scan", "CTE Scan"}:
                total += float(found[2]) * loops
        elif found := REMOVED.search(line):
            total += int(found[1]) * loops
    return round(total)


async def test_hot_searches_read_few_rows_of_many_and_the_others_are_refused_in_time(large):
    wrong = []
    for type_name, query, bound in HOT:
        told = await large.explain(type_name, query)
        plans = [line for one in told["statements"] for line in one["plan"]]
        read = rows_read(plans)
        bad = [node for node in ("Seq Scan", "Hash Join", "Merge Join") if any(node in line for line in plans)]
        if bad or read > bound:
            wrong.append((type_name, query, read, bound, bad))
        started = time.monotonic()
        result = await large.search(type_name, query)
        if not result.matches:
            wrong.append((type_name, query, "nothing"))
        if time.monotonic() - started > 5:
            wrong.append((type_name, query, f"{time.monotonic() - started:.1f} s"))
    assert not wrong, "\n".join(map(str, wrong))
    await _refuses(large)
    await _pages(large)
    await _times_out(large)


async def _refuses(large):
    """What would have to look at everything says so, with a hint, and soon."""
    for query in ("status=final&_sort=code,-date", "value-quantity=gt1&_sort=status", "code:not=x&_sort=status"):
        started = time.monotonic()
        with pytest.raises(TooCostly, match="add a criterion"):
            await large.find("Observation", query)
        assert time.monotonic() - started < 5, query


async def _pages(large):
    """The hundredth page costs what the first did."""
    page = await large.search("Observation", "status=final&_sort=-date&_count=50")
    first = time.monotonic()
    for _ in range(40):
        page = await large.follow(page.links["next"])
    assert time.monotonic() - first < 8
    assert len(page.matches) == 50


async def _times_out(large):
    """The database's own limit on time is the last bound: it is an answer in words too."""
    from jiankang.foundation.access import LOCAL_OPERATOR
    from jiankang.foundation.record.search import search

    async with large.record.pool.connection() as db:
        await db.execute("SET statement_timeout = '1ms'")
        try:
            with pytest.raises(TooCostly, match="longer than is allowed"):
                await search(
                    db, LOCAL_OPERATOR, "Observation", [("_content", "analyte"), ("value-quantity", "gt1"), ("_count", "0")],
                    registry=large.registry, base_url="http://t", secret=b"k", payload=large.record.payload,
                )  # fmt: skip
        finally:
            await db.execute("RESET statement_timeout")
