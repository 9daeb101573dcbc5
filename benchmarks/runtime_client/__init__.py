"""The parts of `benchmarks/runtime_client.py`.

`emulator/` is the Runtime API in C that measures; `workers/` and `handlers/` are what runs behind imagekit's client;
`peers/` are the programs that it is compared with.
"""
