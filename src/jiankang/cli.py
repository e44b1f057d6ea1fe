"""The shell's front door: `jiankang serve`, `load`, `export`, `import`, `db`, `terminology`, `package`, `identity`, `doctor`, `demo`.

Exit codes: 0 done; 1 done in part (some input was refused, it says which); 2 wrong use; 3 could not be done.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jiankang import __version__
from jiankang.kernel.errors import Invalid, Problem
from jiankang.kernel.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent.parent

_EXAMPLES = """examples:
  jiankang serve --port 8000 --data ./data      start the server, with a database of its own under ./data
  jiankang load bundles/ observations.ndjson    load transaction bundles and NDJSON (also .gz .bz2 .zst)
  jiankang export --out dump/                   write everything as NDJSON, one file a type
  jiankang db status                            which schema changes the database has
  jiankang doctor                               is everything here that is needed?

Settings may also come from the environment (JIANKANG_DATABASE_URL, JIANKANG_PORT, …); docs/reference/settings.md
lists them. Each command has its own --help."""


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="jiankang", formatter_class=form, epilog=_EXAMPLES,
        description="Jiankang 健康: one record per person for a whole region, kept as FHIR R4.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"jiankang {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, help="folder of the embedded database (default .jiankang/data)")
    common.add_argument("--database-url", dest="database_url", help="a PostgreSQL server to use instead")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=text, description=text, parents=[common], formatter_class=form, epilog=f"example:\n  {example}"
        )

    serve = add("serve", "Start the server and print its address.", "jiankang serve --port 0 --data /srv/jiankang")
    serve.add_argument("--host", help="address to listen on; loopback only until people can sign in")
    serve.add_argument("--port", type=int, help="port to listen on; 0 takes a free one (default 8000)")
    serve.add_argument("--workers", type=int, help="server processes (default 2)")
    serve.add_argument("--mllp", type=int, dest="mllp_port", metavar="PORT", help="take HL7 v2 messages by MLLP here")
    load = add("load", "Load FHIR files into the record.", "jiankang load ../synthea/output/fhir --workers 2")
    load.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR")
    load.add_argument("--workers", type=int, help="processes that load (default 2)")
    export = add("export", "Write the record as NDJSON, one file a type.", "jiankang export --out dump --type Patient")
    export.add_argument("--out", type=Path, required=True, help="folder to write into")
    export.add_argument("--type", action="append", dest="types", metavar="TYPE", help="only this type; may be repeated")
    export.add_argument("--since", help="only what changed at or after this instant")
    import_ = add("import", "Import NDJSON, resumable and exactly once.", "jiankang import dump/Patient.ndjson")
    import_.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR")
    import_.add_argument("--workers", type=int, help="processes that import, each a file at a time (default 2)")
    db = add("db", "Look after the database's schema.", "jiankang db migrate")
    db.add_argument("action", choices=["migrate", "status"])
    db.add_argument("--distributed", action="store_true", help="spread the tables over a Citus cluster")
    terminology = add(
        "terminology", "Load large code systems and list what is there.", "jiankang terminology import Loinc_2.80.zip"
    )
    terminology.add_argument("action", choices=["import", "list"])
    terminology.add_argument("paths", nargs="*", type=Path, metavar="FILE|DIR")
    terminology.add_argument(
        "--format", choices=["codesystem", "claml", "loinc", "rf2", "table"], help="of the files (else found out)"
    )
    terminology.add_argument("--url", help="of the code system, where the file does not say it")
    terminology.add_argument("--system-version", dest="system_version", help="of the code system")
    terminology.add_argument("--name", help="of the code system")
    terminology.add_argument("--language", help="of its displays, such as zh-CN")
    package = add(
        "package",
        "Install implementation guides (FHIR packages), list and remove them.",
        "jiankang package install cn-hainan hl7.fhir.uv.ips@2.0.0 ./own-guide.tgz",
    )
    package.add_argument("action", choices=["install", "list", "remove"])
    package.add_argument("names", nargs="*", metavar="FILE|URL|NAME[@VERSION]")
    package.add_argument("--offline", action="store_true", help="never ask the network: name what is needed as files")
    package.add_argument("--force", action="store_true", help="put an older version in than the one installed")
    package.add_argument("--incomplete", action="store_true", help="install without packages that cannot be had")
    package.add_argument("--json", action="store_true", help="list for programs")
    identity = add(
        "identity",
        "Who is who: train the model, compare everybody again (nightly), tell how good the index is.",
        "jiankang identity match --data /srv/jiankang",
    )
    identity.add_argument("action", choices=["train", "match", "report"])
    identity.add_argument(
        "paths", nargs="*", type=Path, metavar="FILE", help="train: registrations as .csv or .parquet (else the index)"
    )
    identity.add_argument("--workers", type=int, help="processes that read registrations (default 2)")
    identity.add_argument("--json", action="store_true", help="report for programs")
    identity.add_argument(
        "--spark", default="", metavar="MASTER", help="train, match: on a Spark cluster (spark://…, yarn, local[2])"
    )
    exchange = add(
        "exchange",
        "What is understood of HL7 v2, what a message would become, who may send.",
        "jiankang exchange coverage --missing",
    )
    exchange.add_argument(
        "action",
        choices=[
            "coverage", "read", "senders", "add-sender", "upload", "sources", "add-source", "remove-source", "export-diseases",
            "add-receiver",
        ],
    )  # fmt: skip
    exchange.add_argument(
        "names",
        nargs="*",
        metavar="FILE|ID",
        help="read, upload: files; add-sender, add-source, remove-source: the name",
    )
    exchange.add_argument("--missing", action="store_true", help="coverage: the rows that no map speaks of")
    exchange.add_argument("--fates", action="store_true", help="read: what becomes of each field")
    exchange.add_argument("--json", action="store_true", help="coverage for programs")
    exchange.add_argument("--name", help="add-sender: what people call it")
    exchange.add_argument(
        "--known-as", action="append", default=[], metavar="APPLICATION|FACILITY", help="add-sender: MSH-3|MSH-4"
    )
    exchange.add_argument(
        "--authority", action="append", default=[], metavar="NAME=URI", help="add-sender: what an authority means"
    )
    exchange.add_argument("--facility", default="", help="add-sender: the house whose numbers its systems share")
    exchange.add_argument("--state", default="testing", help="add-sender: testing (default) or connected")
    exchange.add_argument("--to", default="", metavar="HOST:PORT", help="add-receiver: where it listens for MLLP")
    exchange.add_argument(
        "--kinds", default="ADT,ORU,SIU", help="add-receiver: what it is told of (default ADT,ORU,SIU)"
    )
    exchange.add_argument(
        "--trusted", default="", metavar="FILE", help="add-receiver: authorities of its certificate (TLS)"
    )
    exchange.add_argument("--sender", default="", help="upload, add-source: whose table it is")
    exchange.add_argument("--mapping", default="", help="upload, add-source: how its columns are read")
    exchange.add_argument("--confirm", action="store_true", help="upload: take the rows, not only look")
    exchange.add_argument(
        "--url", default="-", help="add-source: as SQLAlchemy reads it; - reads it from standard input"
    )
    exchange.add_argument("--query", default="", help="add-source: a view, or a SELECT")
    exchange.add_argument("--watermark", default="", help="add-source: the column that only grows")
    exchange.add_argument(
        "--every", type=int, default=300, metavar="SECONDS", help="add-source: how often (default 300)"
    )
    exchange.add_argument("--out", type=Path, help="export-diseases: .xlsx or .csv to write")
    exchange.add_argument("--since", default="", help="export-diseases: from this day")
    exchange.add_argument("--until", default="", help="export-diseases: until this day")
    exchange.add_argument("--county", default="", help="export-diseases: only of this county (469023)")
    exchange.add_argument("--again", action="store_true", help="export-diseases: also cases handed over before")
    add("doctor", "Check that everything needed is here.", "jiankang doctor")
    demo = add("demo", "Load example people, start the server and say what to try.", "jiankang demo --port 8000")
    demo.add_argument("--port", type=int, help="port to listen on (default 8000)")
    return parser


def command_reference() -> str:
    """The reference page of all commands: their own help."""
    parser = _parser()
    parts = ["# Commands", "", "Written by `make docs` from `jiankang --help`.", "", "```", _help(parser), "```"]
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, command in action.choices.items():
                parts += ["", f"## jiankang {name}", "", "```", _help(command), "```"]
    parts += ["", "Exit codes: 0 done; 1 done in part; 2 wrong use; 3 could not be done.", ""]
    return "\n".join(parts)


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100)
    return parser.format_help().rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(
            **{
                name: getattr(options, name)
                for name in ("data", "database_url", "host", "port", "workers", "mllp_port")
                if getattr(options, name, None) is not None
            }
        )
        return _COMMANDS[options.command](settings, options)
    except Invalid as problem:
        print(f"jiankang: {problem}", file=sys.stderr)
        return 2
    except Problem as problem:
        print(f"jiankang: {problem}", file=sys.stderr)
        return 3
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"jiankang: {error.strerror or error}{place}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    from jiankang.serving import serve

    _tell(
        "Nobody can sign in yet: whoever reaches this address may read and change every record. Listening on loopback only."
    )
    return serve(settings, _say)


def _load(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.foundation.record.loading import load_paths
    from jiankang.main import compose
    from jiankang.serving import database

    with database(settings, shared=True) as url:
        code = load_paths(
            url,
            options.paths,
            workers=settings.workers,
            progress=_tell,
            compose=compose,
            settings=settings,
        )
        _learn_terminology(url)
        return code


def _export(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.foundation.record.bulk import cli_export
    from jiankang.serving import database

    with database(settings, shared=True) as url:
        return cli_export(url, options.out, types=options.types, since=options.since, progress=_tell)


def _import(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.foundation.record.bulk.shell import cli_import
    from jiankang.main import compose
    from jiankang.serving import database

    with database(settings, shared=True) as url:
        code = cli_import(url, options.paths, settings, _tell, compose)
        _learn_terminology(url)
        return code


def _learn_terminology(url: str) -> None:
    """Take in the code systems and value sets that were among what was loaded."""
    import asyncio

    from jiankang.foundation.record.store import Record
    from jiankang.foundation.terminology import catch_up

    async def learn() -> int:
        async with Record.open(url, connections=1) as record:
            return await catch_up(record)

    count = asyncio.run(learn())
    if count:
        _tell(f"-- {count} terminology resources are in force")


def _db(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.kernel.migrations import run_once, status
    from jiankang.main import MIGRATIONS
    from jiankang.serving import database

    if options.action == "status":
        with database(settings, shared=True, migrating=False) as url:
            for migration in status(url, MIGRATIONS):
                _say(f"{'applied ' if migration.applied else 'missing '} {migration.name}")
        return 0
    with database(settings, shared=True) as url:
        if options.distributed and run_once(url, MIGRATIONS[0] / "distributed.sql"):
            _say("the tables are spread over the cluster")
        _say("the schema is up to date")
    return 0


def _terminology(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.foundation.terminology.importing import Named, cli_import, cli_list
    from jiankang.serving import database

    if options.action == "import" and not options.paths:
        raise Invalid("name the files to import")
    with database(settings, shared=True) as url:
        if options.action == "list":
            return cli_list(url, _say)
        named = Named(options.url, options.system_version, options.name, options.language)
        return cli_import(url, options.paths, named, options.format, _tell)


def _package(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.foundation.conformance.packages import shell
    from jiankang.foundation.record.bulk.working import server_for
    from jiankang.main import compose
    from jiankang.serving import database

    if options.action != "list" and not options.names:
        raise Invalid(f"name the packages to {options.action}")
    with database(settings, shared=True) as url:
        opening = functools.partial(server_for, url, settings, compose)
        if options.action == "list":
            return shell.cli_list(opening, as_json=options.json, say=_say)
        if options.action == "remove":
            return shell.cli_remove(opening, options.names, _tell)
        registries = [part.strip() for part in settings.package_registries.split(",") if part.strip()]
        wish = shell.Wish(registries, options.offline, options.force, options.incomplete)
        return shell.cli_install(opening, options.names, wish, _tell)


def _identity(settings: Settings, options: argparse.Namespace) -> int:
    import contextlib

    from jiankang.foundation.identity import shell
    from jiankang.kernel.clock import system_clock
    from jiankang.main import signing_key
    from jiankang.serving import database

    now = system_clock()
    if options.paths and options.action != "train":
        raise Invalid(f"{options.action} works on the index: it takes no files")
    with contextlib.ExitStack() as stack:
        if options.action == "report":
            url = stack.enter_context(database(settings, shared=True))
            return shell.cli_report(url, as_json=options.json, now=now, say=_say)
        shell.require_training(spark=bool(options.spark))
        key = functools.partial(signing_key, settings)
        if options.action == "match":
            url = stack.enter_context(database(settings, shared=True))
            return shell.cli_match(url, settings.data, key, workers=settings.workers, say=_tell, spark=options.spark)
        return shell.cli_train(
            lambda: stack.enter_context(database(settings, shared=True)), options.paths, settings.data, key,
            today=f"{now:%Y%m%d}", workers=settings.workers, say=_tell, spark=options.spark,
        )  # fmt: skip


def _exchange(settings: Settings, options: argparse.Namespace) -> int:
    from jiankang.capabilities.exchange import shell
    from jiankang.capabilities.exchange.model import Sender
    from jiankang.serving import database

    if options.action == "coverage":
        return shell.cli_coverage(_say, missing=options.missing, as_json=options.json)
    if options.action == "read":
        return shell.cli_read([Path(name) for name in options.names], _say, fates=options.fates)
    with database(settings, shared=True) as url:
        if options.action == "senders":
            return shell.cli_senders(url, _say)
        if options.action == "add-receiver":
            return _add_receiver(url, options)
        if options.action != "add-sender":
            return _tables(settings, url, options)
        if len(options.names) != 1:
            raise Invalid("name the system: jiankang exchange add-sender his-1 --known-as 'HIS|HOSPITAL'")
        told = [one.partition("=") for one in options.authority]
        authorities = {name: uri for name, _, uri in told}
        sender = Sender(options.names[0], options.name or options.names[0], options.facility, authorities=authorities)
        return shell.cli_add_sender(url, sender, options.known_as, options.state, _say)


def _add_receiver(url: str, options: argparse.Namespace) -> int:
    from jiankang.capabilities.exchange import shell
    from jiankang.capabilities.exchange.hl7v2.out.records import Receiver

    host, _, port = options.to.rpartition(":")
    names = [one.partition("|") for one in options.known_as]
    if len(options.names) != 1 or not host or not port.isdigit() or len(names) != 1:
        raise Invalid("jiankang exchange add-receiver lis-1 --to 10.1.2.3:2575 --known-as 'LIS|HOSPITAL'")
    told = [one.partition("=") for one in options.authority]
    receiver = Receiver(
        options.names[0], options.name or options.names[0], names[0][0], names[0][2], host, int(port), options.trusted,
        [one.strip().upper() for one in options.kinds.split(",") if one.strip()], {name: uri for name, _, uri in told},
    )  # fmt: skip
    return shell.cli_add_receiver(url, receiver, _say)


def _tables(settings: Settings, url: str, options: argparse.Namespace) -> int:
    from jiankang.capabilities.exchange.tables import Source, shell
    from jiankang.main import opened

    opening = functools.partial(opened, settings, url, 2)
    if options.action == "sources":
        return shell.cli_sources(opening, _say)
    if options.action == "export-diseases":
        if options.out is None or not options.since:
            raise Invalid(
                "say from when and where to: jiankang exchange export-diseases --since 2026-11-01 --out cards.xlsx"
            )
        return shell.cli_export_diseases(
            opening,
            options.out,
            _say,
            since=options.since,
            until=options.until,
            county=options.county,
            again=options.again,
        )
    if len(options.names) != 1:
        raise Invalid(f"name one: jiankang exchange {options.action} NAME …")
    name = options.names[0]
    if options.action == "upload":
        return shell.cli_upload(
            opening, Path(name), options.sender, _say, mapping=options.mapping, confirm=options.confirm
        )
    if options.action == "remove-source":
        return shell.cli_remove_source(opening, name, _say)
    source = Source(name, options.sender, options.url, options.query, options.watermark, options.mapping, options.every)
    return shell.cli_add_source(opening, source, _say)


def _doctor(settings: Settings, _: argparse.Namespace) -> int:
    from jiankang.doctor import checks

    bad = 0
    for name, ok, text in checks(settings):
        _say(f"{'ok  ' if ok else 'BAD '} {name}: {text}")
        bad += not ok
    return 3 if bad else 0


def _demo(settings: Settings, _: argparse.Namespace) -> int:
    from jiankang.demo import demo

    return demo(settings, _say, _tell)


_COMMANDS = {
    "serve": _serve, "load": _load, "export": _export, "import": _import, "db": _db, "terminology": _terminology, "package": _package, "identity": _identity, "exchange": _exchange, "doctor": _doctor, "demo": _demo,
}  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
