"""Implementation guides as packages: https://hl7.org/fhir/packages.html."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import json
import tarfile
from pathlib import Path

import httpx
import pytest

from jiankang.fhir.guides import own_packages
from jiankang.foundation.conformance import shelf_of
from jiankang.foundation.conformance.packages import (
    fetched,
    fetching,
    install,
    installed,
    installing,
    read_package,
    reading,
    remove,
)
from jiankang.foundation.conformance.packages.installing import newer
from jiankang.foundation.conformance.packages.shell import Wish, cli_install, cli_list, cli_remove
from jiankang.foundation.record.api import create_fhir_app
from jiankang.foundation.record.bulk.working import server_for
from jiankang.foundation.record.judging import findings_of
from jiankang.foundation.record.reindexing import Catalogue
from jiankang.foundation.record.reindexing.passes import Pace, Passes
from jiankang.foundation.record.store import Record
from jiankang.kernel.errors import Conflict, Invalid, NotFound, Problem, TooLarge, Unavailable, Unprocessable
from jiankang.kernel.jsontext import decode
from jiankang.kernel.settings import Settings
from jiankang.main import compose

ROOT = Path(__file__).resolve().parents[3]
BASE = "https://example.org/guide"
JSON = "application/fhir+json"


def archive(*resources, name="own.guide", version="1.0.0", files=(), **manifest):
    """A package as an archive's bytes."""
    described = {"name": name, "version": version, "fhirVersions": ["4.0.1"], "title": name, **manifest}
    parts = [("package/package.json", json.dumps(described).encode())]
    parts += [(f"package/{one['resourceType']}-{one['id']}.json", json.dumps(one).encode()) for one in resources]
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz") as made:
        for path, text in [*parts, *files]:
            info = tarfile.TarInfo(path)
            info.size = len(text)
            made.addfile(info, io.BytesIO(text))
    return found.getvalue()


def package(*resources, **more):
    return read_package(io.BytesIO(archive(*resources, **more)), "test.tgz")


def from_npm(name):
    """A package as `npm ci` unpacked it, packed again."""
    folder = ROOT / "node_modules" / name
    if not folder.is_dir():
        pytest.skip(f"node_modules/{name} is not there: run `make setup`")
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz") as made:
        made.add(folder, "package")
    found.seek(0)
    return read_package(found, name)


def profile(version="1.0.0", least=1, **more):
    return {
        "resourceType": "StructureDefinition", "id": "named", "url": f"{BASE}/named", "version": version, "name": "Named",
        "status": "active", "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": least}]}, **more,
    }  # fmt: skip


def codes(*listed, version="1.0.0"):
    return {
        "resourceType": "CodeSystem", "id": "own", "url": f"{BASE}/codes", "version": version, "status": "active",
        "content": "complete", "concept": [{"code": code, "display": code.upper()} for code in listed],
    }  # fmt: skip


SET = {
    "resourceType": "ValueSet", "id": "own", "url": f"{BASE}/set", "version": "1.0.0", "status": "active",
    "compose": {"include": [{"system": f"{BASE}/codes"}]},
}  # fmt: skip
NICKNAME = {
    "resourceType": "SearchParameter", "id": "nick", "url": f"{BASE}/nickname", "version": "1.0.0", "name": "nickname",
    "status": "active", "description": "Nickname", "code": "nickname", "base": ["Patient"], "type": "string",
    "expression": "Patient.name.where(use = 'nickname').text",
}  # fmt: skip


@pytest.fixture
async def server(database_url):
    async with server_for(database_url, Settings(validation="refuse"), compose) as opened:
        yield opened


async def names(server):
    return {(one.name, one.version, len(one.brought)) for one in await installed(server.record)}


async def current(server, type_name, id_):
    from jiankang.foundation.access import LOCAL_OPERATOR

    return await server.record.read(LOCAL_OPERATOR, type_name, id_)


async def errors(server, resource, *profiles):
    await server.judge.refresh()
    found = (await findings_of(server.judge, [resource], profiles=profiles))[0].findings
    return [each for each in found if each.severity == "error"]


# ---- installing


async def test_what_a_package_brings_is_in_force_at_once(server):
    outcome = await install(server.record, package(profile(), codes("a", "b"), SET, NICKNAME))
    assert (outcome.written, outcome.left, outcome.removed) == (4, (), 0)
    assert await names(server) == {("own.guide", "1.0.0", 4)}
    assert [each.message_id for each in await errors(server, {"resourceType": "Patient"}, f"{BASE}/named")] == [
        "profile-min"
    ]
    unknown = {"resourceType": "Basic", "code": {"coding": [{"system": f"{BASE}/codes", "code": "z"}]}}
    assert [each.message_id for each in await errors(server, unknown)] == ["coding-unknown"]
    async with server.record.side.connection() as db:
        told = await (await db.execute("SELECT state FROM search_parameter WHERE code = 'nickname'")).fetchall()
    assert len(told) == 1
    [held] = shelf_of(server.record).profiles()
    assert (held.url, held.business_version, held.type) == (f"{BASE}/named", "1.0.0", "Patient")


async def test_an_upgrade_takes_away_what_is_gone_and_keeps_the_history(server):
    await install(server.record, package(profile(), codes("a"), SET))
    outcome = await install(
        server.record, package(profile("1.1.0", least=0), codes("a", "c", version="1.1.0"), version="1.1.0")
    )
    assert (outcome.before, outcome.written, outcome.removed) == ("1.0.0", 2, 1)
    stored = await current(server, "StructureDefinition", "named")
    assert (stored.version, stored.resource["version"]) == (2, "1.1.0")
    with pytest.raises(Problem, match="deleted"):
        await current(server, "ValueSet", "own")
    assert await errors(server, {"resourceType": "Patient"}, f"{BASE}/named") == []
    with pytest.raises(Conflict, match="newer"):
        await install(server.record, package(profile()))
    await install(server.record, package(profile()), force=True)
    assert await names(server) == {("own.guide", "1.0.0", 1)}


async def test_a_package_is_removed_with_what_only_it_brought(server):
    await install(server.record, package(profile(), SET))
    await install(server.record, package(codes("a"), name="other.guide", dependencies={"own.guide": "1.0.0"}))
    with pytest.raises(Conflict, match=r"other\.guide@1\.0\.0 leans on own\.guide"):
        await remove(server.record, "own.guide")
    await remove(server.record, "other.guide")
    await remove(server.record, "own.guide")
    assert await names(server) == set()
    with pytest.raises(Problem, match="deleted"):
        await current(server, "StructureDefinition", "named")
    with pytest.raises(NotFound, match="not installed"):
        await remove(server.record, "own.guide")


async def test_what_is_missing_is_named_and_nothing_is_installed(server):
    wants = {"hl7.fhir.r4.core": "4.0.1", "hl7.terminology.r4": "6.0.0", "some.other": "2.1.0"}
    with pytest.raises(Unprocessable, match=r"leans on some\.other@2\.1\.0: install"):
        await install(server.record, package(profile(), dependencies=wants))
    assert await names(server) == set()
    assert (await install(server.record, package(profile(), dependencies=wants), incomplete=True)).written == 1


async def test_a_resource_that_is_none_leaves_nothing_half_installed(server, monkeypatch):
    monkeypatch.setattr(installing, "_AT_ONCE", 1)
    with pytest.raises(Unprocessable, match="StructureDefinition/named is not valid"):
        await install(server.record, package(codes("a"), SET, profile(kind=7)))
    with pytest.raises(Problem):
        await install(server.record, package(SET, codes("a", "a")))  # a code that comes twice is refused on writing
    assert await names(server) == set()
    with pytest.raises(NotFound):
        await current(server, "ValueSet", "own")
    document = {"resourceType": "CapabilityStatement", "id": "c", "url": f"{BASE}/c", "status": "nonsense!"}
    outcome = await install(server.record, package(codes("a"), document))
    assert outcome.written == 1
    assert "CapabilityStatement/c is not valid" in outcome.unfit[0]


async def test_what_others_wrote_before_is_left_alone(server):
    await install(server.record, package(codes("a"), name="first.guide"))
    mine = {**codes("a", "mine"), "id": "mine"}
    outcome = await install(server.record, package(mine, {**codes("x"), "url": f"{BASE}/more"}, name="second.guide"))
    assert outcome.left == (f"CodeSystem {BASE}/codes|1.0.0",)
    brought = next(one.brought for one in await installed(server.record) if one.name == "second.guide")
    assert {id_.partition("-")[0] for _, id_, url, _ in brought if url.endswith("/more")} == {"own"}
    assert ("CodeSystem", "own", f"{BASE}/more", "1.0.0") not in brought  # the id was taken by another url
    assert (await current(server, "CodeSystem", "own")).resource["concept"] == codes("a")["concept"]
    await remove(server.record, "second.guide")
    assert await names(server) == {("first.guide", "1.0.0", 1)}
    assert not (await current(server, "CodeSystem", "own")).deleted


async def test_what_a_person_wrote_before_stays_when_the_package_goes(server):
    from jiankang.foundation.access import LOCAL_OPERATOR
    from jiankang.foundation.record.store import Change, prepare

    by_hand = Change("PUT", "CodeSystem", "by-hand", prepare({**codes("a"), "id": "by-hand"}))
    await server.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([by_hand]))
    outcome = await install(server.record, package(codes("a", "b"), SET))
    assert (outcome.written, outcome.left) == (1, (f"CodeSystem {BASE}/codes|1.0.0",))
    await remove(server.record, "own.guide")
    assert (await current(server, "CodeSystem", "by-hand")).version == 1


async def test_what_two_packages_bring_stays_until_both_are_gone(server):
    await install(server.record, package(codes("a"), name="first.guide"))
    await install(server.record, package({**codes("a"), "id": "elsewhere"}, name="second.guide"))
    for _ in range(2):  # once more changes nothing
        assert (await install(server.record, package(codes("a"), name="second.guide"))).written == 0
    await remove(server.record, "first.guide")
    assert (await current(server, "CodeSystem", "own")).version == 1
    await remove(server.record, "second.guide")
    with pytest.raises(Problem, match="deleted"):
        await current(server, "CodeSystem", "own")


async def test_a_package_does_not_write_over_what_another_brought(server):
    await install(server.record, package(codes("a"), name="first.guide"))
    await install(server.record, package(codes("b", version="2.0.0"), name="second.guide"))
    assert (await current(server, "CodeSystem", "own")).resource["version"] == "1.0.0"
    [(_, id_, _, _)] = next(one.brought for one in await installed(server.record) if one.name == "second.guide")
    assert (await current(server, "CodeSystem", id_)).resource["version"] == "2.0.0"
    await install(server.record, package(codes("c", version="3.0.0"), name="first.guide", version="3.0.0"))
    assert (await current(server, "CodeSystem", "own")).resource["version"] == "3.0.0"
    assert (await current(server, "CodeSystem", id_)).resource["version"] == "2.0.0"


def naming(id_, value):
    return {
        "resourceType": "NamingSystem", "id": id_, "name": "Numbers", "status": "active", "kind": "identifier",
        "date": "2026-01-01", "uniqueId": [{"type": "uri", "value": value}],
    }  # fmt: skip


async def test_resources_without_url_and_two_versions_of_one_url_are_upgraded_each(server):
    both = [codes("a"), {**codes("b", version="2.0.0"), "id": "own2"}]
    systems = [naming("n1", "urn:test:1"), naming("n2", "urn:test:2")]
    await install(server.record, package(*both, *systems))
    outcome = await install(server.record, package(*both, *systems, version="1.1.0"))
    assert (outcome.written, outcome.removed, outcome.left) == (4, 0, ())
    for id_, version in (("own", "1.0.0"), ("own2", "2.0.0")):
        stored = await current(server, "CodeSystem", id_)
        assert (stored.version, stored.resource["version"]) == (2, version)
    for one in systems:
        assert (await current(server, "NamingSystem", one["id"])).resource["uniqueId"] == one["uniqueId"]
    await install(server.record, package(naming("n1", "urn:test:9"), name="other.guide"))
    assert (await current(server, "NamingSystem", "n1")).resource["uniqueId"][0]["value"] == "urn:test:1"


async def test_what_was_deleted_by_hand_comes_back_with_an_upgrade_and_does_not_hinder_removal(server):
    from jiankang.foundation.access import LOCAL_OPERATOR
    from jiankang.foundation.record.store import Change

    async def delete():
        await server.record.run(LOCAL_OPERATOR, lambda tx: tx.apply([Change("DELETE", "CodeSystem", "own")]))

    await install(server.record, package(codes("a"), SET))
    await delete()
    await install(server.record, package(codes("a"), SET, version="1.1.0"))
    assert (await current(server, "CodeSystem", "own")).version == 3
    await delete()
    assert len((await remove(server.record, "own.guide")).brought) == 2


async def test_a_profile_whose_narrative_alone_is_wrong_comes_without_it(server):
    outcome = await install(server.record, package(profile(text={"status": "generated"}), codes("a")))
    assert (outcome.written, outcome.bare) == (2, ("StructureDefinition/named",))
    assert "text" not in (await current(server, "StructureDefinition", "named")).resource


async def test_an_older_version_of_what_it_leans_on_is_not_enough(server):
    await install(server.record, package(codes("a"), name="below", version="1.0.0"))
    for enough in ("1.0.0", "1.0.0-ballot", "1.0.x", "0.9", "current"):
        await install(server.record, package(SET, name="above", dependencies={"below": enough}))
    with pytest.raises(Unprocessable, match=r"leans on below@1\.1\.0 \(below@1\.0\.0 is installed\)"):
        await install(server.record, package(SET, name="above", dependencies={"below": "1.1.0"}))


async def test_what_is_built_in_may_go_although_others_name_it(server):
    await install(server.record, package(codes("a"), name="hl7.terminology.r4"))
    await install(server.record, package(SET, name="above", dependencies={"hl7.terminology.r4": "6.5.0"}))
    assert (await remove(server.record, "hl7.terminology.r4")).version == "1.0.0"


async def test_the_norm_itself_is_no_guide(server):
    with pytest.raises(Unprocessable, match="built in"):
        await install(server.record, package(profile(), name="hl7.fhir.r4.core", version="4.0.1"))


@pytest.fixture
async def client(database_url):
    """The API with custom search parameters; its `record` beside it."""
    async with Record.open(database_url) as record:
        app = create_fhir_app(record, settings=Settings(), secret=b"k" * 16)
        compose(app.server)
        passes = Passes(record, app.server.registry, Pace(batch=50, quiet_seconds=0, settle_seconds=0))
        transport = httpx.ASGITransport(app=app)
        made = httpx.AsyncClient(transport=transport, base_url="http://t", headers={"content-type": JSON})
        async with Catalogue(record, app.server.registry, passes).running(), made:
            made.record = record
            yield made


async def test_codes_and_search_parameters_of_a_package_answer_over_the_api(client):
    named = {"resourceType": "Patient", "id": "nick", "name": [{"use": "nickname", "text": "Xiao Bai"}]}
    for one in (named, {**named, "id": "other", "name": [{"text": "Xiao Bai"}]}):
        assert (await client.put(f"/Patient/{one['id']}", content=json.dumps(one))).status_code == 201
    assert (await client.get("/Patient", params={"nickname": "xiao"})).status_code == 400
    await install(client.record, package(profile(), codes("a", "b"), SET, NICKNAME))
    expanded = (await client.get("/ValueSet/$expand", params={"url": f"{BASE}/set"})).json()
    assert [each["display"] for each in expanded["expansion"]["contains"]] == ["A", "B"]
    for _ in range(300):
        found = await client.get("/Patient", params={"nickname": "xiao"})
        if found.status_code == 200:
            break
        await asyncio.sleep(0.02)
    assert [each["resource"]["id"] for each in found.json().get("entry", [])] == ["nick"], found.text
    await remove(client.record, "own.guide")
    assert (await client.get("/ValueSet/$expand", params={"url": f"{BASE}/set"})).status_code == 404


async def test_two_installations_at_once_come_one_after_the_other(server, database_url):
    async with server_for(database_url, Settings(), compose) as second:
        versions = [package(profile(f"1.0.{n}"), version=f"1.0.{n}") for n in range(4)]
        records = [server.record, second.record] * 2
        done = await asyncio.gather(*(install(r, p, force=True) for r, p in zip(records, versions, strict=True)))
    assert {one.package.version for one in done} == {f"1.0.{n}" for n in range(4)}
    [(name, version, count)] = await names(server)
    stored = await current(server, "StructureDefinition", "named")
    assert (name, count, stored.version, stored.resource["version"]) == ("own.guide", 1, 4, version)


async def test_what_one_process_installs_another_learns_of(server, database_url):
    async with server_for(database_url, Settings(), compose) as second:
        await second.judge.refresh()
        await install(server.record, package(profile()))
        second.judge._looked = 0  # a second later
        assert [each.message_id for each in await errors(second, {"resourceType": "Patient"}, f"{BASE}/named")]


def test_versions_are_ordered_as_versions():
    ordered = [
        "1.0.0-ballot",
        "1.0.0-ballot2",
        "1.0.0-rc.1",
        "1.0.0-rc.2",
        "1.0.0-rc.10",
        "1.0.0",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0-cibuild",
        "2.0.0",
    ]
    assert all(newer(later, earlier) for earlier, later in itertools.pairwise(ordered))


# ---- real guides


async def test_our_own_guide_installs(server):
    path = own_packages().get("cn-hainan")
    assert path is not None, "run `make setup`"
    outcome = await install(server.record, fetched("cn-hainan", registries=(), offline=True))
    assert outcome.written >= 90
    assert outcome.unfit == outcome.left == ()
    assert len(shelf_of(server.record).profiles()) == 0  # nobody has asked yet
    await server.judge.refresh()
    assert len(shelf_of(server.record).profiles()) >= 15


async def test_ips_installs_and_all_its_examples_conform(server):
    ips = from_npm("hl7.fhir.uv.ips")
    with pytest.raises(Unprocessable, match=r"hl7\.fhir\.uv\.ipa"):
        await install(server.record, ips)
    outcome = await install(server.record, ips, incomplete=True)
    assert outcome.written == 70
    assert len(outcome.unfit) == 1
    assert "ActorDefinition" in outcome.unfit[0]
    await server.judge.refresh()
    examples = {
        path.name: decode(path.read_bytes())
        for path in sorted((ROOT / "node_modules/hl7.fhir.uv.ips/example").glob("*.json"))
    }
    assert len(examples) >= 40
    judged = await findings_of(server.judge, list(examples.values()))
    wrong = {
        name: [each.text for each in one.findings if each.severity == "error"]
        for name, one in zip(examples, judged, strict=True)
        if not one.valid
    }
    assert wrong == {}
    claimed = [one for one in examples.values() if one.get("meta", {}).get("profile")]
    assert len(claimed) >= 20
    broken = {**next(one for one in claimed if one["resourceType"] == "Composition")}
    broken.pop("section")
    assert await errors(server, broken)


# ---- archives that are none


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a readable .tgz|missing"), (b"nonsense", "not a readable .tgz"), (gzip.compress(b"x" * 9000), "not a readable|missing"),
        (archive(profile())[:150], "not a readable .tgz"), (archive(name="Bad Name"), "no name"), (archive(version=""), "no version"),
        (archive(files=[("package/x.json", b"{broken")]), "is not JSON"), (archive(files=[("package/x.json", b"[1]")]), "not a JSON object"),
        (archive(dependencies=["x"]), "dependencies"), (archive(dependencies={"x": 1}), "dependencies"),
        (archive(files=[("package/deep.json", b'{"a":' * 5000)]), "is not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_package_is_said_so(content, said):
    with pytest.raises(Invalid, match=said):
        read_package(io.BytesIO(content), "bad.tgz")


def test_a_package_of_another_version_of_fhir_is_refused():
    with pytest.raises(Unprocessable, match=r"FHIR 5\.0\.0; this platform speaks 4\.0\.1"):
        package(fhirVersions=["5.0.0"])
    assert package(fhirVersions=["4.0.0", "5.0.0"]).name == "own.guide"


def test_only_files_directly_in_the_package_are_read_and_no_path_leads_out():
    text = json.dumps(codes("evil")).encode()
    outside = [
        "../evil.json",
        "/evil.json",
        "package/../../evil.json",
        "package/example/evil.json",
        "other/evil.json",
        "package/a/b.json",
    ]
    assert package(files=[(path, text) for path in outside]).contents == []
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz") as made:
        for kind, target in (
            (tarfile.SYMTYPE, "/etc/passwd"),
            (tarfile.LNKTYPE, "/etc/passwd"),
            (tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo("package/link.json")
            info.type, info.linkname = kind, target
            made.addfile(info)
    with pytest.raises(Invalid, match="missing"):
        read_package(io.BytesIO(found.getvalue()), "links.tgz")


def test_archives_that_would_fill_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST_FILE_BYTES", 10_000)
    with pytest.raises(TooLarge):
        package(files=[("package/big.json", b" " * 20_000)])
    monkeypatch.setattr(reading, "MOST_BYTES", 100_000)
    with pytest.raises(TooLarge):
        package(files=[(f"other/{n}.bin", b" " * 9_000) for n in range(20)])
    monkeypatch.setattr(reading, "MOST_FILES", 5)
    with pytest.raises(TooLarge):
        package(files=[(f"other/{n}.bin", b"") for n in range(20)])


# ---- fetching


@pytest.fixture
def registry(monkeypatch):
    """A registry: what it answers, by address."""
    pages = {}

    def read(address):
        found = pages.get(address)
        if found is None:
            raise NotFound(address)
        if isinstance(found, Problem):
            raise found
        return found

    monkeypatch.setattr(fetching, "_read", read)
    return pages


def listing(**versions):
    return json.dumps(
        {
            "dist-tags": {"latest": "1.10.0"},
            "versions": {one: {"version": one, "dist": dist} for one, dist in versions.items()},
        }
    ).encode()


def test_a_name_is_asked_of_one_registry_after_another(registry):
    registry["https://a.example/own.guide"] = Unavailable("down")
    registry["https://b.example/own.guide"] = listing(
        **{"1.9.0": {"tarball": "https://b.example/9"}, "1.10.0": {"tarball": "https://b.example/10"}}
    )
    registry["https://b.example/9"], registry["https://b.example/10"] = (
        archive(version="1.9.0"),
        archive(version="1.10.0"),
    )
    where = ("https://a.example/", "https://b.example")
    assert fetched("own.guide", registries=where).version == "1.10.0"
    assert fetched("own.guide@1.9.0", registries=where).version == "1.9.0"
    for newest in ("#1.x", "#1.10.x", "@latest"):
        assert fetched(f"own.guide{newest}", registries=where).version == "1.10.0"
    assert fetched("own.guide@1.9.x", registries=where).version == "1.9.0"
    untagged = json.loads(registry["https://b.example/own.guide"])
    registry["https://b.example/own.guide"] = json.dumps({"versions": untagged["versions"]}).encode()
    assert fetched("own.guide", registries=where).version == "1.10.0"
    with pytest.raises(Unavailable, match=r"own\.guide@3\.0\.0 was not found; a\.example could not be asked: down"):
        fetched("own.guide@3.0.0", registries=where)
    with pytest.raises(NotFound, match="no registry has"):
        fetched("own.guide@3.0.0", registries=where[1:])


def test_what_is_not_what_the_registry_promised_is_refused(registry):
    for dist in ({"shasum": "0" * 40}, {"integrity": "sha512-AAAA"}):
        registry["https://a.example/own.guide"] = listing(**{"1.10.0": {"tarball": "https://a.example/x", **dist}})
        registry["https://a.example/x"] = archive(version="1.10.0")
        with pytest.raises(Invalid, match="digests differ"):
            fetched("own.guide", registries=["https://a.example"])


def test_a_package_that_is_another_one_than_was_asked_for_is_refused(registry):
    registry["https://a.example/own.guide"] = listing(**{"1.10.0": {"tarball": "https://a.example/x"}})
    registry["https://a.example/x"] = archive(version="1.9.0")
    with pytest.raises(Invalid, match=r"own\.guide@1\.10\.0 calls itself own\.guide@1\.9\.0"):
        fetched("own.guide", registries=["https://a.example"])


@pytest.mark.parametrize("answer", [b"<html>down for repairs</html>", b"[]", b'{"versions": 1}'])
def test_a_registry_that_talks_nonsense_is_passed_over(registry, answer):
    registry["https://a.example/own.guide"] = answer
    registry["https://b.example/own.guide"] = listing(**{"1.10.0": {"tarball": "https://b.example/x"}})
    registry["https://b.example/x"] = archive(version="1.10.0")
    assert fetched("own.guide", registries=["https://a.example", "https://b.example"]).version == "1.10.0"
    with pytest.raises(Unavailable, match=r"what a\.example says is not understood"):
        fetched("own.guide", registries=["https://a.example"])


def test_nothing_is_fetched_offline(registry, tmp_path):
    for wanted in ("own.guide", "https://a.example/x.tgz"):
        with pytest.raises(Problem, match="offline"):
            fetched(wanted, registries=["https://a.example"], offline=True)
    path = tmp_path / "own.tgz"
    path.write_bytes(archive(profile()))
    assert fetched(str(path), registries=(), offline=True).label == "own.guide@1.0.0"
    with pytest.raises(NotFound, match="there is no file"):
        fetched(str(tmp_path / "none.tgz"), registries=())


# ---- the shell


def test_the_shell_installs_in_order_lists_and_removes(database_url, tmp_path):
    import functools

    opening = functools.partial(server_for, database_url, Settings(), compose)
    above, below = tmp_path / "above.tgz", tmp_path / "below.tgz"
    above.write_bytes(archive(profile(), name="above", dependencies={"below": "1.0.0"}))
    below.write_bytes(archive(codes("a"), name="below"))
    said = []
    offline = Wish(offline=True)
    assert cli_install(opening, [str(above)], offline, said.append) == 1
    assert "leans on below@1.0.0, which cannot be had" in said[-1]
    assert cli_install(opening, [str(above), str(below)], offline, said.append) == 0
    assert [line for line in said if line.startswith("ok")] == [
        "ok   below@1.0.0: 1 resources",
        "ok   above@1.0.0: 1 resources",
    ]
    said.clear()
    assert cli_list(opening, as_json=False, say=said.append) == 0
    assert "above@1.0.0" in said[0]
    assert "leans on below@1.0.0" in said[1]
    said.clear()
    cli_list(opening, as_json=True, say=said.append)
    assert [one["name"] for one in json.loads(said[0])] == ["above", "below"]
    assert cli_remove(opening, ["below"], said.append) == 1
    assert cli_remove(opening, ["above", "below"], said.append) == 0
