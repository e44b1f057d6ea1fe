"""What the platform does with the record: one room per capability."""
