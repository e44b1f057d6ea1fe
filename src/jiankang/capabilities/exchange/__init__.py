"""Exchange: what arrives from hospitals and leaves to them, in the languages that they speak already."""
