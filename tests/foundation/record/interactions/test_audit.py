"""What is shown and what is written is told to the audit hook, in the transaction that does it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def trail(ask):
    """An audit that keeps a table of its own."""

    async def begin():
        async with ask.platform.record.pool.connection() as db:
            await db.execute("CREATE TABLE IF NOT EXISTS trail (n serial, action text, targets text[])")

    async def keep(db, event):
        targets = [f"{type_name}/{id_}" for type_name, id_ in event.targets]
        await db.execute("INSERT INTO trail (action, targets) VALUES (%s, %s)", (event.action, targets))
        if trail_of.refusing:
            raise RuntimeError("the trail is full")

    class Trail:
        refusing = False

        def __call__(self):
            async def taken():
                async with ask.platform.record.pool.connection() as db:
                    rows = await (await db.execute("DELETE FROM trail RETURNING n, action, targets")).fetchall()
                return [(action, set(targets)) for _, action, targets in sorted(rows)]

            return ask.platform.run(taken())

    trail_of = Trail()
    ask.platform.run(begin())
    usual = ask.platform.record.audit
    ask.platform.record.audit = keep
    yield trail_of
    ask.platform.record.audit = usual


def test_every_way_to_see_or_change_a_resource_leaves_a_trace(ask, trail):
    stored = ask.patient()
    name, path = f"Patient/{stored['id']}", f"/Patient/{stored['id']}"
    assert trail() == [("write", {name})]
    ask("GET", path)
    assert trail() == [("read", {name})]
    ask("PUT", path, stored, status=200)
    assert trail() == [("write", {name})]
    ask("GET", f"{path}/_history/1", status=200)
    assert trail() == [("read", {name})]
    ask("GET", "/Patient", query=f"_id={stored['id']}")
    assert trail() == [("search", {name})]
    ask("GET", f"{path}/_history")
    assert ("history", {name}) in trail()
    ask("GET", f"{path}/$everything")
    assert ("everything", {name}) in trail()
    entries = [{"request": {"method": "GET", "url": url}} for url in (name, f"Patient?_id={stored['id']}")]
    ask("POST", "/", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, status=200)
    assert trail() == [("read", {name}), ("search", {name})]
    ask("DELETE", path, status=204)
    assert trail() == [("write", {name})]


def test_what_is_undone_leaves_no_trace_and_what_cannot_be_traced_is_not_done(ask, trail):
    stored = ask.patient()
    trail()
    good = {"resource": {"resourceType": "Basic", "code": {"text": "x"}}, "request": {"method": "POST", "url": "Basic"}}
    bad = {"request": {"method": "GET", "url": "Patient/never-was"}}
    ask("POST", "/", {"resourceType": "Bundle", "type": "transaction", "entry": [good, bad]}, status=404)
    assert trail() == []
    trail.refusing = True
    try:
        ask("PUT", f"/Patient/{stored['id']}", stored, status=500)
        ask("GET", f"/Patient/{stored['id']}", status=500)
    finally:
        trail.refusing = False
    assert trail() == []
    assert ask("GET", f"/Patient/{stored['id']}").headers["etag"] == 'W/"1"'
