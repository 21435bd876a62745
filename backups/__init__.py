"""A whole site in one file, and back again. Knows no table by name: whatever the other apps store is kept."""
