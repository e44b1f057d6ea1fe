-- How far an image archive's list of changes was read (`begins`: what that list begins with), and how far its log.
CREATE TABLE exchange_dicom_place (
    archive text PRIMARY KEY,
    begins text NOT NULL DEFAULT '',
    seq bigint NOT NULL DEFAULT 0,
    log bigint NOT NULL DEFAULT 0,
    moved timestamptz NOT NULL DEFAULT now()
);

-- Studies in the archive: who sent them, and when they are to be told of (`due`; null: all was told).
CREATE TABLE exchange_dicom_study (
    uid text PRIMARY KEY,
    archived text NOT NULL DEFAULT '',
    sender text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT now(),
    due timestamptz,
    tries integer NOT NULL DEFAULT 0,
    told bigint
);
CREATE INDEX exchange_dicom_study_due ON exchange_dicom_study (due) WHERE due IS NOT NULL;
