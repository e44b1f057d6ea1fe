-- Implementation guides that are installed: https://hl7.org/fhir/packages.html
CREATE TABLE package (
    name      text PRIMARY KEY,
    version   text NOT NULL,
    canonical text NOT NULL,
    title     text NOT NULL,
    requires  jsonb NOT NULL,       -- name: version, of the packages that it leans on
    brought   jsonb NOT NULL,       -- [type, id, url, version] of each resource that it put into the record
    installed timestamptz NOT NULL DEFAULT now()
);
