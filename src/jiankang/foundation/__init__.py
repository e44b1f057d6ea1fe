"""What every capability leans on: the record and who may see it."""
