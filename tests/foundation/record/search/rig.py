"""A record with a few resources in it, and the shortest way to search them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from jiankang.fhir.search import default_registry
from jiankang.foundation.access import LOCAL_OPERATOR
from jiankang.foundation.record.search import explain, match_ids, search
from jiankang.foundation.record.store import Change, prepare

BASE = "http://jiankang.test/fhir"
SECRET = b"0123456789abcdef"


def pairs(query):
    return parse_qsl(query, keep_blank_values=True)


class Rig:
    """Writes and searches one record as one actor."""

    def __init__(self, record):
        self.record = record
        self.registry = default_registry()

    async def put(self, *resources):
        changes = [Change("PUT", one["resourceType"], one["id"], prepare(one)) for one in resources]
        return await self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply(changes))

    async def delete(self, type_name, id_):
        return await self.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", type_name, id_)]))

    async def search(self, type_name, query="", *, actor=LOCAL_OPERATOR, handling="strict", compartment=None, **more):
        async with self.record.pool.connection() as db:
            return await search(
                db,
                actor,
                type_name,
                pairs(query) if isinstance(query, str) else query,
                registry=self.registry,
                base_url=BASE,
                secret=SECRET,
                payload=self.record.payload,
                handling=handling,
                compartment=compartment,
                **more,
            )

    async def find(self, type_name, query="", **more):
        """Ids of the matches, in order."""
        return [one.id for one in (await self.search(type_name, query, **more)).matches]

    async def found(self, type_name, query="", **more):
        """Ids of the matches as a set; none of them twice."""
        ids = await self.find(type_name, query, **more)
        assert len(ids) == len(set(ids)), f"{query} answers a resource twice: {ids}"
        return set(ids)

    async def follow(self, url, **more):
        """The page behind a link."""
        parts = urlsplit(url)
        segments = parts.path.removeprefix("/fhir").strip("/").split("/")
        return await self.search(segments[-1] or None, parts.query, **more)

    async def all_pages(self, type_name, query, between=None, **more):
        """Ids of all pages, one after another."""
        page = await self.search(type_name, query, **more)
        ids = [one.id for one in page.matches]
        for _ in range(1000):
            if "next" not in page.links:
                return ids
            if between is not None:
                await between()
            page = await self.follow(page.links["next"], **more)
            ids += [one.id for one in page.matches]
        raise AssertionError("the pages never end")

    async def match_ids(self, type_name, query, limit=2):
        async with self.record.pool.connection() as db:
            return await match_ids(
                db, LOCAL_OPERATOR, type_name, pairs(query), limit, registry=self.registry, base_url=BASE
            )

    async def explain(self, type_name, query):
        async with self.record.pool.connection() as db:
            return await explain(db, LOCAL_OPERATOR, type_name, pairs(query), registry=self.registry, base_url=BASE)
