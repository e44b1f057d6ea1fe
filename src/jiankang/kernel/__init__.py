"""What every floor leans on: errors, clock, ids, settings, database, log. It knows no health word."""
