"""Learning the model from a region's own registrations, and comparing all of them at once: batch work, never the server's.

Needs what `pip install 'jiankang[train]'` brings (Splink, DuckDB, pyarrow); nothing outside this package imports it
before `shell.require_training` said that it is there.
"""
