"""Shells for the people who use the platform: layout, menu, home page."""
