"""A release becomes an experiment again: its files are checked, all of them, before anything is stored."""
