"""Images are shown to those who may read the ImagingStudy, and to nobody else."""

from __future__ import annotations

import pytest

from jiankang.foundation.access import EVERYTHING, NOTHING, Actor, AllOf, InCompartment, TypeIn

JSON = "application/dicom+json"
NOBODY = Actor("nobody", NOTHING)


@pytest.fixture(scope="module")
def two(hospital, images):
    """Studies of two patients; who may see the first only."""
    for number in (201, 202):
        files = [
            images.encoded(images.image(number, 1, one, PatientName=f"Lin^Mei{number}=林^梅{number}")) for one in (1, 2)
        ]
        study = hospital.told(*files, uid=images.uid(number))
        if number == 201:
            patient = study["subject"]["reference"].partition("/")[2]
    return images.uid(201), images.uid(202), Actor("clinician", InCompartment("Patient", [patient]))


def below(images, number):
    study, series, one = images.uid(number), images.uid(number, 1), images.uid(number, 1, 1)
    base = f"/dicomweb/studies/{study}"
    return [
        base, f"{base}/metadata", f"{base}/rendered", f"{base}/series", f"{base}/instances", f"{base}/series/{series}",
        f"{base}/series/{series}/metadata", f"{base}/series/{series}/instances", f"{base}/series/{series}/thumbnail",
        f"{base}/series/{series}/instances/{one}", f"{base}/series/{series}/instances/{one}/metadata",
        f"{base}/series/{series}/instances/{one}/frames/1", f"{base}/series/{series}/instances/{one}/frames/1/rendered",
        f"{base}/series/{series}/instances/{one}/bulk/7fe00010", f"{base}/series/{series}/instances/{one}/rendered",
        f"{base}/series/{series}/instances/{one}/thumbnail", f"/-/imaging/{study}", f"/-/imaging/{study}/{series}",
        f"/-/imaging/IHEInvokeImageDisplay?requestType=STUDY&studyUID={study}",
    ]  # fmt: skip


def test_every_address_of_a_study_is_there_for_who_may_see_it(web, images, two):
    for path in below(images, 201):
        response = web("GET", path, actor=two[2])
        assert response.status_code in {200, 303}, (path, response.text)


def test_no_address_of_a_study_is_there_for_who_may_not(web, images, two):
    for path in below(images, 202):
        assert web("GET", path, actor=two[2]).status_code == 404, path
        assert web("GET", path, actor=NOBODY).status_code == 404, path


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_searches_find_what_may_be_seen_only(web, two, level):
    seen, other, clinician = two
    everything = web("GET", f"/dicomweb/{level}?limit=1000").json()
    assert {seen, other} <= {one["0020000D"]["Value"][0] for one in everything}
    found = web("GET", f"/dicomweb/{level}", actor=clinician).json()
    assert {one["0020000D"]["Value"][0] for one in found} == {seen}
    assert web("GET", f"/dicomweb/{level}?StudyInstanceUID={other}", actor=clinician).json() == []
    assert web("GET", f"/dicomweb/{level}", actor=NOBODY).json() == []


def test_another_study_is_not_reached_through_one_that_may_be_seen(web, images, two):
    seen, other, clinician = two
    foreign = f"series/{images.uid(202, 1)}"
    for path in (
        f"{foreign}/metadata", f"{foreign}/instances/{images.uid(202, 1, 1)}", f"{foreign}/instances/{images.uid(202, 1, 1)}/rendered",
        f"series/{images.uid(201, 1)}/instances/{images.uid(202, 1, 1)}/metadata",
    ):  # fmt: skip
        assert web("GET", f"/dicomweb/studies/{seen}/{path}", actor=clinician).status_code == 404, path
    assert web("GET", f"/dicomweb/studies/{seen}/{foreign}/instances", actor=clinician).status_code == 404
    for path in (f"series?StudyInstanceUID={other}", f"instances?0020000D={other}"):
        found = web("GET", f"/dicomweb/studies/{seen}/{path}", actor=clinician)
        assert {one["0020000D"]["Value"][0] for one in found.json()} <= {seen}, path


def test_nothing_else_of_the_archive_is_reached(web, two):
    seen = two[0]
    for path in (
        "../../system",
        "..%2f..%2fsystem",
        "instances/1.2.3/attachments",
        "%2e%2e/info",
    ):
        assert web("GET", f"/dicomweb/studies/{seen}/{path}").status_code in {404, 405}, path
    assert web("GET", "/dicomweb/info").status_code == 404
    assert web("DELETE", f"/dicomweb/studies/{seen}").status_code == 405


def test_a_page_of_a_search_counts_what_may_be_seen(web, images, two):
    one = web("GET", f"/dicomweb/instances?limit=1&StudyInstanceUID={images.uid(201)}", actor=two[2])
    assert len(one.json()) == 1
    assert "additional results" in one.headers["warning"]
    two_ = web("GET", f"/dicomweb/instances?limit=1&offset=1&StudyInstanceUID={images.uid(201)}", actor=two[2])
    assert len(two_.json()) == 1
    assert "warning" not in two_.headers
    assert two_.json()[0]["00080018"] != one.json()[0]["00080018"]


def test_addresses_are_told_as_the_asker_reaches_them(web, images, two):
    series = web("GET", f"/dicomweb/studies/{two[0]}/series", host="pacs.example:8443").json()[0]
    assert series["00081190"]["Value"][0].startswith(f"https://pacs.example:8443/dicomweb/studies/{two[0]}/series/")
    metadata = web("GET", f"/dicomweb/studies/{two[0]}/metadata", host="pacs.example").json()[0]
    bulk = metadata["7FE00010"]["BulkDataURI"]
    assert bulk.startswith("https://pacs.example/dicomweb/")
    assert images.picture(1) in web("GET", bulk.removeprefix("https://pacs.example")).content


def test_images_come_back_as_they_were_sent(web, images, two):
    sent = images.encoded(images.image(201, 1, 1, PatientName="Lin^Mei201=林^梅201"))
    path = f"/dicomweb/studies/{two[0]}/series/{images.uid(201, 1)}/instances/{images.uid(201, 1, 1)}"
    response = web("GET", path, accept='multipart/related; type="application/dicom"')
    assert sent in response.content
    assert response.headers["cache-control"] == "private, no-cache"


def test_pictures_are_what_a_browser_shows(web, images, two):
    path = f"/dicomweb/studies/{two[0]}/series/{images.uid(201, 1)}/instances/{images.uid(201, 1, 1)}/frames/1/rendered"
    browser = web("GET", path, accept="image/avif,image/webp,*/*;q=0.8")
    assert browser.headers["content-type"] == "image/png"
    assert browser.content.startswith(b"\x89PNG")
    assert web("GET", path, accept="image/jpeg").content.startswith(b"\xff\xd8")
    assert web("GET", path, accept="text/html").status_code == 406
    assert web("GET", path.replace("frames/1/", "frames/99/"), accept="image/png").status_code == 406


def test_what_is_asked_wrongly_is_refused(web, two):
    assert web("GET", "/dicomweb/studies?limit=many").status_code == 400
    assert web("GET", "/dicomweb/studies?offset=-1").status_code == 400
    assert web("GET", "/dicomweb/studies?a%20b=1").status_code == 400
    assert web("GET", "/dicomweb/studies", accept="text/html").status_code == 406
    assert web("GET", "/dicomweb/studies/1..2").status_code == 404


def test_who_may_not_write_cannot_store(web, images, two, hospital):
    _, other, clinician = two
    addition = images.encoded(images.image(202, 1, 3))
    response = web.store(addition, actor=clinician)
    assert response.status_code == 409
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0124]
    reader = Actor("reader", EVERYTHING, NOTHING)
    assert web.store(images.encoded(images.image(203, 1, 1)), actor=reader).status_code == 409
    hospital.follow()
    assert hospital.study(other)["numberOfInstances"] == 2
    assert hospital.study(images.uid(203))["resourceType"] == "OperationOutcome"


def test_who_may_write_studies_can_store(web, images):
    writer = Actor("writer", AllOf((TypeIn(frozenset({"ImagingStudy"})),)))
    assert web.store(images.encoded(images.image(204, 1, 1)), actor=writer).status_code == 200


def test_series_of_somebody_else_under_the_same_number_are_not_shown(web, images, hospital):
    """A device used a study's number again, for another patient: its letter is dead, and nobody sees those images."""
    uid = images.uid(205)
    hospital.told(images.encoded(images.image(205, 1, 1)), uid=uid)
    hospital.put(images.encoded(images.image(205, 2, 1, PatientID="SOMEBODY", PatientName="Zhou^Ping=周^平")))
    assert [one.state for one in hospital.follow()] == ["dead"]
    base, other = f"/dicomweb/studies/{uid}", images.uid(205, 2)
    for path in (f"series/{other}", f"series/{other}/metadata", f"series/{other}/rendered", f"series/{other}/instances",
                 f"series/{other}/instances/{images.uid(205, 2, 1)}"):  # fmt: skip
        assert web("GET", f"{base}/{path}").status_code == 404, path
    for path in ("", "/metadata", "/rendered"):
        assert web("GET", f"{base}{path}").status_code == 409, path
    assert web("GET", f"{base}/series/{images.uid(205, 1)}/metadata").status_code == 200
    for path in (
        f"{base}/series",
        f"{base}/instances",
        f"/dicomweb/series?StudyInstanceUID={uid}",
        f"/dicomweb/studies?StudyInstanceUID={uid}",
    ):
        response = web("GET", path)
        assert response.status_code == 200
        assert "周" not in response.text, path
        assert other not in response.text, path
