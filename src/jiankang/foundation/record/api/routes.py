"""The table of everything that is routed; the CapabilityStatement is written from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from jiankang.foundation.record.bulk import routes as bulk
from jiankang.foundation.record.interactions import (
    bundles,
    capabilities,
    create,
    delete,
    everything,
    history,
    metadata,
    patch,
    read,
    search,
    update,
    validate,
)
from jiankang.foundation.record.reindexing import operations as reindexing
from jiankang.foundation.record.wire.http import Request, Response

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """An interaction: how it is asked for, its code in the norm, and what does it.

    `shape` has Type, id, vid and member for what varies. `interaction` is a code of
    http://hl7.org/fhir/R4/valueset-restful-interaction.html, or the name of an operation, which `types` may narrow
    to some types. What `begins` work is not done for HEAD.
    """

    method: str
    shape: tuple[str, ...]
    interaction: str
    handler: Handler
    definition: str = ""
    types: tuple[str, ...] = ()
    begins: bool = False


_TABLE = (
    Route("GET", ("metadata",), "capabilities", capabilities.capabilities),
    Route("GET", (), "search-system", search.search_system),
    Route("POST", ("_search",), "search-system", search.search_system),
    Route("POST", (), "transaction", bundles.process),
    Route("GET", ("_history",), "history-system", history.history_system),
    Route("GET", ("_bulk", "id"), "bulk-status", bulk.status),
    Route("DELETE", ("_bulk", "id"), "bulk-cancel", bulk.cancel),
    Route("GET", ("_bulk", "id", "member"), "bulk-file", bulk.file),
    Route("GET", ("Type",), "search-type", search.search_type),
    Route("POST", ("Type", "_search"), "search-type", search.search_type),
    Route("POST", ("Type",), "create", create.create),
    Route("PUT", ("Type",), "update", update.conditional_update),
    Route("PATCH", ("Type",), "patch", patch.conditional_patch),
    Route("DELETE", ("Type",), "delete", delete.conditional_delete),
    Route("GET", ("Type", "_history"), "history-type", history.history_type),
    Route("GET", ("Type", "id"), "read", read.read),
    Route("PUT", ("Type", "id"), "update", update.update),
    Route("PATCH", ("Type", "id"), "patch", patch.patch),
    Route("DELETE", ("Type", "id"), "delete", delete.delete),
    Route("GET", ("Type", "id", "_history"), "history-instance", history.history_instance),
    Route("GET", ("Type", "id", "_history", "vid"), "vread", read.vread),
    Route("GET", ("Type", "id", "member"), "search-type", search.search_compartment),
    Route("POST", ("Type", "id", "member", "_search"), "search-type", search.search_compartment),
)

ROUTES = {(route.method, route.shape): route for route in _TABLE}

_DEFINED = "http://hl7.org/fhir/OperationDefinition/"
_OURS = "urn:jiankang:OperationDefinition:"
_BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"

OPERATIONS = {
    (route.method, route.shape): route
    for route in (
        Route(
            "GET", ("Type", "id", "$everything"), "everything", everything.everything, f"{_DEFINED}Patient-everything"
        ),
        Route(
            "POST", ("Type", "id", "$everything"), "everything", everything.everything, f"{_DEFINED}Patient-everything"
        ),
        Route("POST", ("Type", "$validate"), "validate", validate.validate, f"{_DEFINED}Resource-validate"),
        Route("POST", ("Type", "id", "$validate"), "validate", validate.validate, f"{_DEFINED}Resource-validate"),
        Route("GET", ("Type", "id", "$validate"), "validate", validate.validate_stored, f"{_DEFINED}Resource-validate"),
        Route("GET", ("$reindex",), "reindex", reindexing.show, f"{_OURS}reindex"),
        Route("POST", ("$reindex",), "reindex", reindexing.again, f"{_OURS}reindex"),
        Route(
            "GET",
            ("Type", "id", "$reindex-status"),
            "reindex-status",
            reindexing.status,
            f"{_OURS}reindex-status",
            ("SearchParameter",),
        ),
        Route("GET", ("Type", "id", "$meta"), "meta", metadata.meta, f"{_DEFINED}Resource-meta"),
        Route("POST", ("Type", "id", "$meta-add"), "meta-add", metadata.meta_add, f"{_DEFINED}Resource-meta-add"),
        Route(
            "POST",
            ("Type", "id", "$meta-delete"),
            "meta-delete",
            metadata.meta_delete,
            f"{_DEFINED}Resource-meta-delete",
        ),
        *(
            route
            for method in ("GET", "POST")
            for route in (
                Route(method, ("$export",), "export", bulk.export_system, f"{_BULK}export", begins=True),
                Route(
                    method,
                    ("Type", "$export"),
                    "export",
                    bulk.export_patients,
                    f"{_BULK}patient-export",
                    ("Patient",),
                    begins=True,
                ),
                Route(
                    method,
                    ("Type", "id", "$export"),
                    "export",
                    bulk.export_one,
                    f"{_BULK}group-export",
                    ("Group",),
                    begins=True,
                ),
            )
        ),
        Route("POST", ("$import",), "import", bulk.begin_import, "urn:jiankang:operation:import"),
    )
}


def add_operation(route: Route) -> None:
    """Route an operation that another part of the record, or another room, brings."""
    OPERATIONS[route.method, route.shape] = route


def allowed_methods(shape: tuple[str, ...]) -> list[str]:
    """The methods that mean something at this kind of address."""
    found = [method for method, known in (*ROUTES, *OPERATIONS) if known == shape]
    return sorted({*found, *(["HEAD"] if "GET" in found else [])})
