"""The exchange room with two small institutions, and its pages for tables."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette

from jiankang.capabilities.exchange.intake import Intake
from jiankang.capabilities.exchange.model import Sender
from jiankang.capabilities.exchange.tables import TableFormat, Uploads
from jiankang.capabilities.exchange.tables.pages import PAGES
from jiankang.capabilities.exchange.tables.sheets import write_sheet
from jiankang.foundation.access import LOCAL_OPERATOR, Actor
from jiankang.ui import HANDLERS, MIDDLEWARE, Site

HEADS = ["门诊号", "病历号", "姓名", "性别", "出生日期", "就诊日期", "诊断", "ICD-10", "血压", "备注"]


@pytest.fixture(scope="session")
def heads() -> list[str]:
    return HEADS


@pytest.fixture(scope="session")
def visit() -> Any:
    """A row of a register of outpatient visits."""

    def made(number: str, name: str = "王小明", **more: str) -> list[str]:
        usual = {
            "性别": "男",
            "出生日期": "1988年3月5日",
            "就诊日期": "2026/11/20 8:30",
            "诊断": "流行性感冒",
            "ICD-10": "J11.1",
        }
        said = {"门诊号": number, "病历号": f"B{number}", "姓名": name, **usual, **more}
        return [said.get(head, "") for head in HEADS]

    return made


@pytest.fixture(scope="module")
def uploads(open_platform: Any) -> Uploads:
    intake = Intake(open_platform.app.server, {"table": TableFormat()})
    open_platform.run(intake.senders.add(Sender("wsy", "澄迈县老城镇卫生院"), state="connected"))
    open_platform.run(intake.senders.add(Sender("new", "澄迈县福山镇卫生院")))
    return Uploads(intake)


class Story:
    """Somebody uploads files."""

    def __init__(self, platform: Any, uploads: Uploads) -> None:
        self.run = platform.run
        self.uploads = uploads

    def upload(self, rows: list[list[str]], kind: str = "csv", sender: str = "wsy", **how: Any) -> str:
        return self.send(write_sheet([HEADS, *rows], kind, **how), sender)

    def send(self, body: bytes, sender: str = "wsy", title: str = "门诊.csv") -> str:
        return self.run(self.uploads.look(sender, title, body, by="nurse")).id

    def take(self, id_: str) -> Any:
        """Confirm a file, and let its rows land."""

        async def taken() -> Any:
            await self.uploads.confirm(id_)
            while await self.uploads.work():
                pass
            return await self._landed(id_)

        return self.run(taken())

    def land(self, id_: str) -> Any:
        """Let the rows of a confirmed file land."""

        async def landed() -> Any:
            while not (result := await self._landed(id_)).over:
                await self.uploads.work()
                await asyncio.sleep(0.01)
            return result

        return self.run(landed())

    async def _landed(self, id_: str) -> Any:
        while (await self.uploads.intake.lander.land_some(50))[0]:
            pass
        return await self.uploads.result(id_)


@pytest.fixture
def story(open_platform: Any, uploads: Uploads) -> Story:
    return Story(open_platform, uploads)


@dataclass
class Web:
    """The pages, asked by an actor."""

    platform: Any
    app: Starlette
    shown: Any

    def __call__(self, method: str, path: str, *, actor: Actor = LOCAL_OPERATOR, **how: Any) -> Any:
        async def asked() -> httpx.Response:
            server = self.platform.app.server
            before, server.authenticate = server.authenticate, lambda _: actor
            transport = httpx.ASGITransport(self.app)
            try:
                async with httpx.AsyncClient(transport=transport, base_url="https://here.example") as client:
                    return await client.request(method, path, **how)
            finally:
                server.authenticate = before

        response = self.platform.run(asked())
        return self.shown(response.status_code, response.headers, response.content)

    def get(self, path: str, language: str = "en", **how: Any) -> Any:
        return self("GET", path, headers={"accept-language": language}, **how)

    def upload(self, body: bytes, name: str = "门诊.csv", language: str = "en", **fields: str) -> Any:
        files = {"file": (name, body, "application/octet-stream")}
        headers = {"accept-language": language, "sec-fetch-site": "same-origin"}
        return self("POST", "/-/exchange/tables", data={"sender": "wsy", **fields}, files=files, headers=headers)

    def step(self, path: str, language: str = "en", **fields: str) -> Any:
        headers = {
            "accept-language": language, "sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        return self("POST", path, content=urlencode(fields).encode(), headers=headers)


@pytest.fixture(scope="module")
def web(open_platform: Any, uploads: Uploads, pages_module: Any) -> Web:
    site = Site((PAGES,), [])
    app = Starlette(routes=site.routes, middleware=MIDDLEWARE, exception_handlers=HANDLERS)
    app.state.site, app.state.server, app.state.tables = site, open_platform.app.server, uploads
    return Web(open_platform, app, pages_module.Shown)


@pytest.fixture(scope="session")
def pages_module(complaints: Any) -> Any:
    """The module that says what is wrong with pages."""
    import sys

    return sys.modules[complaints.__module__]
