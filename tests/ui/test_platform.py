"""Pages and API side by side, as a server process has them."""

from __future__ import annotations

import httpx

from jiankang.kernel.settings import Settings
from jiankang.main import create_app


async def test_a_process_serves_pages_beside_the_api(database_url, tmp_path):
    platform = create_app(Settings(data=tmp_path), database_url)
    async with platform.pages.router.lifespan_context(platform.pages):
        transport = httpx.ASGITransport(platform)
        async with httpx.AsyncClient(transport=transport, base_url="http://here.example") as client:
            for path in ("/", "/-/validate", "/-/terminology", "/-/patterns"):
                answer = await client.get(path)
                assert (answer.status_code, answer.headers["content-language"]) == (200, "zh-Hans")
            assert (await client.get("/health")).json() == {"status": "up"}
            assert (await client.get("/fhir/metadata")).json()["resourceType"] == "CapabilityStatement"
            assert (await client.get("/fhir/nothing")).headers["content-type"].startswith("application/fhir+json")
            assert (await client.get("/nothing")).headers["content-type"].startswith("text/html")
