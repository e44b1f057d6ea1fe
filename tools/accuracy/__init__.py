"""How right the index of persons is, on a population whose truth is known."""
