"""Whether releases stay fast and small in memory: ``python -m benchmarks.releases``.

Makes a scratch database with one experiment of N examples with three votes each, for every N, and builds a release of
it in JSONL in this process, on one core: from the database to files with their hashes, scanned for personal data.
Prints rows (examples) a second, how much the process grew over what it was before, and what a row cost against the
smallest N. Targets: 20,000 rows a second, 256 MB, 1.2. Each N has a process of its own, since memory that was once
used stays with one. Other load on the machine makes it noisy.
"""
