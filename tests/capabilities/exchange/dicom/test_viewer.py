"""The pages on which people look at images."""

from __future__ import annotations

import re

import pytest
from lxml import html

TONGUES = {"zh": "zh-CN,zh;q=0.9", "en": "en-GB,en;q=0.8"}


@pytest.fixture(scope="module")
def uid(hospital, images):
    """A study of two series; the second holds one object of three frames."""
    files = [images.encoded(images.image(601, 1, one)) for one in range(1, 31)]
    files.append(images.encoded(images.image(601, 2, 1, frames=3, Modality="US", BodyPartExamined="HEART")))
    hospital.told(*files, uid=images.uid(601))
    return images.uid(601)


class Shown:
    """A page as the complaints of `tests/pages.py` read it."""

    def __init__(self, response):
        self.status, self.text = response.status_code, response.text
        self.tree = html.document_fromstring(self.text)

    def all(self, path):
        return self.tree.xpath(path)

    def words(self, path):
        return [" ".join(each.text_content().split()) for each in self.all(path)]


def show(web, path, tongue="en"):
    response = web("GET", path, accept_language=TONGUES[tongue])
    assert response.status_code == 200, response.text[-800:]
    return Shown(response)


@pytest.mark.parametrize("tongue", ["zh", "en"])
def test_nothing_is_wrong_with_the_pages(web, uid, images, complaints, tongue):
    series = f"/-/imaging/{uid}/{images.uid(601, 1)}"
    for path in ("/-/imaging", "/-/imaging?q=nobody-1", f"/-/imaging/{uid}", series, f"{series}?image=15&window=lung"):
        assert complaints(show(web, path, tongue), tongue) == [], path


def test_every_picture_of_a_page_is_there(web, uid, images):
    paths = [
        f"/-/imaging/{uid}",
        f"/-/imaging/{uid}/{images.uid(601, 1)}",
        f"/-/imaging/{uid}/{images.uid(601, 1)}?image=30&window=bone",
    ]
    for path in paths:
        pictures = show(web, path).all("//main//img/@src")
        assert pictures, path
        for picture in pictures:
            response = web("GET", picture, accept="image/avif,image/webp,*/*;q=0.8")
            assert response.headers["content-type"] == "image/png", picture


def test_links_lead_from_image_to_image_and_back(web, uid, images):
    path = f"/-/imaging/{uid}/{images.uid(601, 1)}"
    seen = [path]
    while following := show(web, seen[-1]).all("//a[@rel='next']/@href"):
        seen += following
    assert len(seen) == 30
    assert re.search(r"image=30$", seen[-1])
    back = show(web, seen[-1]).all("//a[@rel='prev']/@href")
    assert back == [seen[-2]]


def test_frames_of_one_object_follow_one_another(web, uid, images):
    page = show(web, f"/-/imaging/{uid}/{images.uid(601, 2)}?frame=2")
    assert "Frame 2 of 3" in page.words("//main//nav[2]")[0]
    assert page.all("//a[@rel='next']/@href")[0].endswith("frame=3")
    assert page.all("//figure//img/@src")[0].split("?")[0].endswith("/frames/2/rendered")


def test_numbers_in_addresses_stay_within_the_series(web, uid, images):
    path = f"/-/imaging/{uid}/{images.uid(601, 1)}"
    for query in ("image=99999", "image=-1", "image=0", "image=x", "frame=9", "window=<b>", "image=" + "9" * 50):
        assert show(web, f"{path}?{query}").status == 200
    assert web("GET", f"/-/imaging/{uid}/1.2.3").status_code == 404


def test_studies_are_found_by_number_identifier_and_name(web, uid):
    for words in ("HK20260601", uid):
        page = show(web, f"/-/imaging?q={words}")
        assert page.all("//main//td//a/@href") == [f"/-/imaging/{uid}"], words
    assert f"/-/imaging/{uid}" in show(web, "/-/imaging?q=符海兰").all("//main//td//a/@href")
    assert show(web, "/-/imaging?q=没有").all("//main//td//a/@href") == []


def test_other_programs_open_a_study_as_the_norm_says(web, uid):
    path = "/-/imaging/IHEInvokeImageDisplay?requestType=STUDY"
    for query in (f"studyUID={uid}", "accessionNumber=HK20260601"):
        assert web("GET", f"{path}&{query}").headers["location"] == f"/-/imaging/{uid}"
    assert web("GET", f"{path}&accessionNumber=NOBODY1").status_code == 404
    assert web("GET", path).status_code == 400
    assert web("GET", path.replace("STUDY", "PATIENT")).status_code == 400


def test_the_link_of_an_imaging_study_opens_it(web, hospital, uid):
    study = hospital.study(uid)
    (link,) = re.findall(r'href="https://health\.example([^"]+)"', study["text"]["div"])
    assert show(web, link).words("//h1") == ["胸部CT平扫"]
    addresses = {hospital.platform("GET", f"/{one['reference']}").value["address"] for one in study["endpoint"]}
    assert addresses == {"https://health.example/dicomweb", "https://health.example/-/imaging/IHEInvokeImageDisplay"}


def test_pages_stay_readable_while_no_archive_is_connected(web, uid, images):
    imaging, web.app.state.imaging = web.app.state.imaging, None
    try:
        page = show(web, f"/-/imaging/{uid}/{images.uid(601, 1)}")
        assert "does not answer" in page.words("//main")[0]
        assert web("GET", f"/dicomweb/studies/{uid}/metadata").status_code == 503
    finally:
        web.app.state.imaging = imaging
