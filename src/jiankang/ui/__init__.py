"""Base page, components, static files and languages."""
