"""A DICOMweb client that others wrote finds, fetches, shows and stores images through the gate."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import socket
import time
import warnings

import pytest
import uvicorn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from dicomweb_client.api import DICOMwebClient


@pytest.fixture(scope="module")
def client(web, hospital):
    """dicomweb-client (MGH) at an address where the gate listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(web.app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.run_coroutine_threadsafe(server.serve(), hospital.platform.loop)
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    settings = hospital.server.settings  # this client names its host without the port, so the address is a setting
    hospital.server.settings = dataclasses.replace(settings, base_url=f"http://127.0.0.1:{port}/fhir")
    yield DICOMwebClient(f"http://127.0.0.1:{port}/dicomweb")
    hospital.server.settings = settings
    server.should_exit = True
    serving.result(10)


def test_what_it_stores_it_finds_fetches_and_shows(client, hospital, images):
    uid, series = images.uid(701), images.uid(701, 1)
    hospital.connect("local-operator")
    answer = client.store_instances([images.image(701, 1, one) for one in (1, 2)])
    assert len(answer.ReferencedSOPSequence) == 2
    hospital.follow()

    (study,) = client.search_for_studies(search_filters={"StudyInstanceUID": uid})
    assert study["0020000D"]["Value"] == [uid]
    assert [one["0020000E"]["Value"][0] for one in client.search_for_series(uid)] == [series]
    assert len(client.search_for_instances(uid)) == 2
    assert len(client.search_for_instances(uid, limit=1, offset=1)) == 1

    whole = client.retrieve_study(uid)
    assert {str(one.PatientName.ideographic) for one in whole} == {"符^海兰"}
    assert len(client.retrieve_study_metadata(uid)) == 2
    one = client.retrieve_instance(uid, series, images.uid(701, 1, 2))
    assert one.PixelData == images.picture(2)
    (frame,) = client.retrieve_instance_frames(uid, series, images.uid(701, 1, 2), [1])
    assert frame == images.picture(2)
    bulk = client.retrieve_instance_metadata(uid, series, images.uid(701, 1, 2))["7FE00010"]["BulkDataURI"]
    assert images.picture(2) in b"".join(client.retrieve_bulkdata(bulk))

    from PIL import Image

    rendered = client.retrieve_instance_rendered(uid, series, images.uid(701, 1, 2), media_types=("image/png",))
    picture = Image.open(io.BytesIO(rendered))
    assert picture.size == (images.SIDE, images.SIDE)
    assert picture.getpixel((18, 30)) > 240  # the square of the second image
    assert picture.getpixel((5, 30)) < 60


def test_it_learns_what_is_refused(client, images):
    import requests

    with pytest.raises(requests.HTTPError) as refused:
        client.search_for_series(images.uid(799))
    assert refused.value.response.status_code == 404
