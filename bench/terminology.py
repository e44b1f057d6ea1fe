"""Questions about codes of a system of 100,000: import, $lookup, $validate-code, $subsumes, $expand, over HTTP.

    python bench/terminology.py --seconds 5

Codes are drawn by chance from the whole system and filters from some thousand words, so that memory alone does not
answer them; `again` asks for a hundred codes over and over.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import client
import processes
from jiankang.foundation.terminology.importing import Named, import_path

SYSTEM = "http://example.org/large"
HAN = "糖尿病高血压心脏肝肺肾炎症急性慢性感染肿瘤骨折先天畸形综合征损伤中毒"
STEMS = [first + second for first in "abcdefghilmnoprstv" for second in "aeiou"]
ENDS = [
    a + b for a in ("lta", "mon", "rin", "sol", "ven", "dor", "tek", "par") for b in ("", "ia", "osis", "itis", "al")
]
WORDS = [stem + end for stem in STEMS for end in ENDS]


def write_table(path: Path, count: int) -> list[str]:
    """A hierarchy of made-up names with eight children each, in English and Chinese; the names."""
    rng = random.Random(1)
    names = []
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["code", "display", "parent", "designation:zh-CN", "axis"])
        for number in range(count):
            name = " ".join(rng.choice(WORDS) for _ in range(4))
            names.append(name)
            above = f"C{(number - 1) // 8:06}" if number else ""
            out.writerow(
                [f"C{number:06}", name, above, "".join(rng.choice(HAN) for _ in range(6)), rng.choice("ABCDE")]
            )
    return names


def value_set(name: str, include: dict) -> bytes:
    url = f"{SYSTEM}/vs/{name}"
    return json.dumps(
        {"resourceType": "ValueSet", "id": name, "url": url, "status": "active", "compose": {"include": [include]}}
    ).encode()


def put(path: str, body: bytes) -> bytes:
    return client.post(path, body).replace(b"POST ", b"PUT ", 1)


def questions(names: list[str]) -> dict[str, Callable[[int], bytes]]:
    rng = random.Random(2)
    count, system = len(names), quote(SYSTEM)

    def code() -> str:
        return f"C{rng.randrange(count):06}"

    def pair() -> tuple[str, str]:
        number = rng.randrange(count)
        above = (number - 1) // 8 if number and rng.random() < 0.5 else rng.randrange(count)
        return f"C{above:06}", f"C{number:06}"

    base = "/fhir/CodeSystem"
    validate = f"/fhir/ValueSet/$validate-code?url={quote(SYSTEM + '/vs/below')}&system={system}&code="
    expand = f"/fhir/ValueSet/$expand?url={quote(SYSTEM + '/vs/all')}&count=100&filter="

    def subsumes(_: int) -> bytes:
        one, other = pair()
        return client.get(f"{base}/$subsumes?system={system}&codeA={one}&codeB={other}")

    return {
        "$lookup": lambda _: client.get(f"{base}/$lookup?system={system}&code={code()}"),
        "$lookup again": lambda n: client.get(f"{base}/$lookup?system={system}&code=C{n % 100:06}"),
        "$validate-code (system)": lambda _: client.get(f"{base}/$validate-code?url={system}&code={code()}"),
        "$validate-code (value set)": lambda _: client.get(validate + code()),
        "$subsumes": subsumes,
        "$expand 100, filter a word": lambda _: client.get(expand + quote(rng.choice(WORDS))),
        "$expand 100, filter two words": lambda _: client.get(
            expand + quote(" ".join(word[:4] for word in rng.choice(names).split()[:2]))
        ),
        "$expand 100, filter 中文": lambda _: client.get(expand + quote("".join(rng.choice(HAN) for _ in range(2)))),
        "$expand 100, a page": lambda _: client.get(
            f"/fhir/ValueSet/$expand?url={quote(SYSTEM + '/vs/all')}&count=100&offset={rng.randrange(count)}"
        ),
    }


async def measure(port: int, names: list[str], seconds: float, clients: int) -> None:
    below = {"system": SYSTEM, "filter": [{"property": "concept", "op": "is-a", "value": "C000003"}]}
    for name, include in (("all", {"system": SYSTEM}), ("below", below)):
        body = value_set(name, include)
        made = await client.run(port, lambda _, n=name, b=body: put(f"/fhir/ValueSet/{n}", b), clients=1, count=1)
        assert set(made.statuses) <= {200, 201}, made.statuses
    print(f"{'question':32}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}  answers")
    for name, make in questions(names).items():
        few = clients if "$expand" not in name else max(2, clients // 4)
        await client.run(port, make, clients=few, seconds=0.5)
        found = await client.run(port, make, clients=few, seconds=seconds)
        told = f"{found.statuses} {found.received_bytes // max(1, sum(found.statuses.values()))} bytes each"
        print(f"{name:32}{found.rate:9,.0f}{found.percentile(0.5):9.1f}{found.percentile(0.99):9.1f}  {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--concepts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, processes.postgres() as server:
        table = Path(folder) / "large.csv"
        names = write_table(table, options.concepts)
        url = processes.new_database(server, "terminology")
        done = asyncio.run(import_path(url, table, Named(SYSTEM, "1")))
        print(
            f"import: {done.concepts:,} concepts in {done.seconds:.1f} s, {done.concepts / done.seconds:,.0f} a second"
        )
        with processes.ours(url) as program:
            asyncio.run(measure(program.port, names, options.seconds, options.clients))


if __name__ == "__main__":
    main()
