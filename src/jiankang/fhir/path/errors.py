"""What can be wrong with an expression: its text, its meaning, or the data that it meets."""

from __future__ import annotations

from jiankang.kernel.errors import Invalid


class PathSyntaxError(Invalid):
    """The text is not FHIRPath; the message says where (http://hl7.org/fhirpath/N1/#formal-specifications)."""

    code = "invalid"


class PathMeaningError(Invalid):
    """The expression can never make sense for its type (http://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation)."""

    code = "invalid"


class PathRunError(Invalid):
    """The expression makes no sense for the data that it met (http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections)."""

    code = "processing"


class PathTooCostlyError(PathRunError):
    """The expression asks for more work than is allowed."""

    code = "too-costly"
