"""/-/imaging: the latest studies that the asker may see, or those of a patient or an accession number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse

from jiankang.capabilities.exchange.dicom.dataset import is_uid
from jiankang.capabilities.exchange.dicom.gate import actor_of, server_of, study_for
from jiankang.capabilities.exchange.dicom.pages.words import PATH, coded, when
from jiankang.foundation.record import search as searching
from jiankang.kernel.errors import Invalid, NotFound
from jiankang.ui import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from jiankang.foundation.record import Stored

COUNT = 20
MOST_PAGES = 50
_ACCESSION = re.compile(r"[^\s|,$\\]{1,64}")


@dataclass(frozen=True, slots=True)
class Row:
    """A study in a list."""

    uid: str
    modalities: tuple[str, ...]
    when: str
    description: str
    accession: str
    patient: str
    images: int


async def show_list(request: Request) -> Response:
    """The latest studies, or those that are looked for."""
    words = request.query_params.get("q", "").strip()[:64]
    number = request.query_params.get("page", "1")
    number_ = int(number) if re.fullmatch(r"[1-9][0-9]?", number) and int(number) <= MOST_PAGES else 1
    found = await _found(request, words, number_)
    listed = await _rows(request, found[(number_ - 1) * COUNT : number_ * COUNT])
    more = len(found) > number_ * COUNT and number_ < MOST_PAGES
    return page(
        request, "imaging/list.html", fragment="imaging/_list.html", listed=listed, words=words, number=number_, more=more,
        path_=PATH,
    )  # fmt: skip


async def invoke_display(request: Request) -> Response:
    """The page of a study that another program asks for (IHE RAD-106, https://wiki.ihe.net/index.php/Invoke_Image_Display)."""
    query = request.query_params
    if query.get("requestType", "STUDY") != "STUDY":
        raise Invalid("requestType is STUDY here")
    uid = query.get("studyUID", "")
    if uid:
        await study_for(server_of(request), actor_of(request), uid)
        return RedirectResponse(f"{PATH}/{uid}", 303)
    number = query.get("accessionNumber", "")
    if not _ACCESSION.fullmatch(number):
        raise Invalid("a study is named by studyUID or accessionNumber")
    found = await _rows(request, await _found(request, number, 1))
    if not found:
        raise NotFound("there is no such study")
    return RedirectResponse(f"{PATH}/{found[0].uid}" if len(found) == 1 else f"{PATH}?q={number}", 303)


async def _found(request: Request, words: str, number: int) -> list[Stored]:
    """Studies, the latest first, to the end of a page and one more."""
    params = [("_sort", "-started"), ("_count", str(number * COUNT + 1))]
    if is_uid(words) and "." in words:
        params.append(("identifier", f"urn:dicom:uid|urn:oid:{words}"))
    elif words and (_ACCESSION.fullmatch(words) and any(one.isdigit() for one in words)):
        params.append(("identifier", words))
    elif words:
        params.append(
            ("patient.name", words.replace("\\", "").replace(",", "\\,").replace("$", "\\$").replace("|", "\\|"))
        )
    server = server_of(request)
    actor = actor_of(request)
    async with server.record.reading(None) as db:
        result = await searching.search(
            db, actor, "ImagingStudy", params, registry=server.registry, base_url="", secret=server.secret,
            payload=server.record.payload, clock=server.record.clock,
        )  # fmt: skip
    await server.record.shown(actor, "search", [(one.type, one.id) for one in result.matches])
    return result.matches


async def _rows(request: Request, found: list[Stored]) -> list[Row]:
    return [row for one in found if (row := await _row(request, one.resource)) is not None]


async def _row(request: Request, study: dict[str, Any]) -> Row | None:
    uid = uid_of(study)
    if not uid:
        return None
    modalities = tuple(str(one.get("code", "")) for one in study.get("modality", []))
    description = str(study.get("description") or next(iter(map(coded, study.get("procedureCode", []))), ""))
    images = int(study.get("numberOfInstances") or 0)
    return Row(
        uid, modalities, when(study.get("started")), description, accession(study), await patient_name(request, study), images
    )  # fmt: skip


def uid_of(study: dict[str, Any]) -> str:
    """Study Instance UID of an ImagingStudy; empty for one without."""
    values = [one.get("value", "") for one in study.get("identifier", []) if one.get("system") == "urn:dicom:uid"]
    found = str(values[0]).removeprefix("urn:oid:") if values else ""
    return found if is_uid(found) else ""


def accession(study: dict[str, Any]) -> str:
    """Its accession number."""
    for one in study.get("identifier", []):
        if any(coding.get("code") == "ACSN" for coding in one.get("type", {}).get("coding", [])):
            return str(one.get("value", ""))
    return ""


async def patient_name(request: Request, study: dict[str, Any]) -> str:
    """Who is imaged, as far as the asker may see them."""
    reference = str(study.get("subject", {}).get("reference", ""))
    type_name, _, id_ = reference.partition("/")
    if type_name != "Patient":
        return ""
    found = await server_of(request).record.current(actor_of(request), "Patient", id_)
    if found is None or found.deleted:
        return ""
    names = found.resource.get("name", [])
    return next((text for one in names if (text := _written(one))), "")


def _written(name: dict[str, Any]) -> str:
    return str(name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip())
