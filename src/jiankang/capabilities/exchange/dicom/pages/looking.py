"""/-/imaging/STUDY and /-/imaging/STUDY/SERIES: a study with its series, and the images of a series one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.dicom.dataset import Dataset, is_uid
from jiankang.capabilities.exchange.dicom.gate import actor_of, imaging_of, server_of, study_for
from jiankang.capabilities.exchange.dicom.pages.finding import accession, patient_name
from jiankang.capabilities.exchange.dicom.pages.words import MODALITIES, PATH, WINDOWS, coded, when
from jiankang.kernel.errors import NotFound, Unavailable
from jiankang.ui import gettext, link, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

Json = dict[str, Any]
STRIP = 24
"""Small images that stand below the large one, half of them before it."""
WITHOUT_PICTURES = frozenset(
    {"SR", "KO", "PR", "AU", "DOC", "ECG", "HD", "RTPLAN", "RTSTRUCT", "REG", "SEG", "FID", "EPS"}
)
"""Modalities whose objects are no pictures."""
_WEB = "/dicomweb/studies"
_LARGE = "1024,1024"
_SMALL = "160,160"


async def show_study(request: Request) -> Response:
    """A study: what is said of it, and its series with a picture of each."""
    uid = request.path_params["study"]
    study = (await study_for(server_of(request), actor_of(request), uid)).resource
    series = [_Series.of(uid, one) for one in study.get("series", [])]
    return page(
        request, "imaging/study.html", study=study, uid=uid, series=series, facts=await _facts(request, study),
        path_=PATH, modality=lambda code: modality(request, code),
    )  # fmt: skip


async def show_series(request: Request) -> Response:
    """One image of a series, large, with its neighbours; frames of one object are shown one after another."""
    uid, wanted = request.path_params["study"], request.path_params["series"]
    study = (await study_for(server_of(request), actor_of(request), uid)).resource
    told = next((one for one in study.get("series", []) if one.get("uid") == wanted and is_uid(wanted)), None)
    if told is None or not told.get("instance"):
        raise NotFound("there is no such series")
    series, count = _Series.of(uid, told), len(told["instance"])
    image = _number(request, "image", count)
    instance = str(told["instance"][image - 1]["uid"])
    frames, there = await _frames(request, uid, wanted, instance) if series.pictures else (1, True)
    frame = _number(request, "frame", frames)
    window = request.query_params.get("window", "") if series.modality == "CT" else ""
    here = _Here(f"{PATH}/{uid}/{wanted}", image, frame, window if window in WINDOWS else "")
    large = f"{_WEB}/{uid}/series/{wanted}/instances/{instance}/frames/{frame}/rendered"
    return page(
        request, "imaging/series.html", study=study, uid=uid, series=series, count=count, image=image, frame=frame,
        frames=frames, there=there, before=here.step(-1, count, frames), after=here.step(1, count, frames), here_=here,
        large=link(large, viewport=_LARGE, window=WINDOWS[here.window][1] if here.window else ""), path_=PATH,
        strip=_strip(series, told["instance"], here) if frames == 1 else (), windows=WINDOWS if series.modality == "CT" else {},
        modality=lambda code: modality(request, code), patient=await patient_name(request, study), when=when,
    )  # fmt: skip


def modality(request: Request, code: str) -> str:
    """What a modality is called."""
    return gettext(request, MODALITIES[code]) if code in MODALITIES else code


@dataclass(frozen=True, slots=True)
class _Series:
    uid: str
    number: int | None
    modality: str
    description: str
    site: str
    side: str
    started: str
    images: int
    href: str
    thumbnail: str
    pictures: bool

    @classmethod
    def of(cls, study: str, told: Json) -> _Series:
        uid, instances = str(told.get("uid", "")), told.get("instance", [])
        kind = str(told.get("modality", {}).get("code", ""))
        middle = str(instances[len(instances) // 2].get("uid", "")) if instances else ""
        picture = f"{_WEB}/{study}/series/{uid}/instances/{middle}/rendered?viewport={_SMALL}"
        pictures = bool(middle) and kind not in WITHOUT_PICTURES
        return cls(
            uid, told.get("number"), kind, str(told.get("description", "")), coded(told.get("bodySite")),
            coded(told.get("laterality")), when(told.get("started")), int(told.get("numberOfInstances") or len(instances)),
            f"{PATH}/{study}/{uid}", picture, pictures,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Here:
    """The image that is shown."""

    path: str
    image: int
    frame: int
    window: str

    def at(self, image: int, frame: int = 1, window: str | None = None) -> str:
        """The address of another image, in the same window unless another is named."""
        chosen = self.window if window is None else window
        return link(self.path, image=image, frame=frame if frame > 1 else "", window=chosen)

    def step(self, by: int, images: int, frames: int) -> str:
        """The address of the next or previous frame or image; empty at the end."""
        if 1 <= self.frame + by <= frames:
            return self.at(self.image, self.frame + by)
        return self.at(self.image + by) if 1 <= self.image + by <= images else ""


def _strip(series: _Series, instances: Sequence[Json], here: _Here) -> list[tuple[int, str, str]]:
    """Numbers, addresses and pictures of the neighbours of an image."""
    first = max(1, min(here.image - STRIP // 2, len(instances) - STRIP + 1))
    chosen = range(first, min(first + STRIP, len(instances) + 1))
    base = series.thumbnail.rsplit("/instances/", 1)[0] + "/instances/"
    small = f"/rendered?viewport={_SMALL}"
    return [(number, here.at(number), f"{base}{instances[number - 1]['uid']}{small}") for number in chosen]


def _number(request: Request, name: str, most: int) -> int:
    text = request.query_params.get(name, "1")
    return min(max(1, int(text)), most) if text.isascii() and text.isdigit() and len(text) < 7 else 1


async def _frames(request: Request, study: str, series: str, instance: str) -> tuple[int, bool]:
    """How many frames an object has, and whether the archive has it."""
    asked = [("SOPInstanceUID", instance), ("includefield", "00280008")]
    try:
        found = await imaging_of(request).archive.query(f"studies/{study}/series/{series}/instances", asked)
    except (NotFound, Unavailable):
        return 1, False
    return (Dataset(found[0]).whole("NumberOfFrames") or 1, True) if found else (1, False)


async def _facts(request: Request, study: Json) -> list[tuple[str, str]]:
    """What is said of a study, by name."""
    words = {
        "patient": await patient_name(request, study), "started": when(study.get("started")), "accession": accession(study),
        "referrer": str(study.get("referrer", {}).get("display", "")),
        "reason": "; ".join(text for one in study.get("reasonCode", []) if (text := coded(one))),
        "procedure": "; ".join(text for one in study.get("procedureCode", []) if (text := coded(one))),
    }  # fmt: skip
    return list(words.items())
