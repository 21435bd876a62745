"""Releases: an experiment's data as files that other people use for years. `columns` says what is in them."""
