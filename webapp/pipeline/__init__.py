"""The pipeline: bytes and data sets in and out.

Pure: no Flask, SQL, clock, environment or randomness that is not handed in,
so that it serves as a library, is tested without an app and runs in any process.
"""
