"""The warden: a small process that makes sandboxes and starts processes in them.

It is a Python of its own, started without site-packages, because namespaces are entered by whole, single-threaded
processes: it imports nothing of imagekit but this package, and of the standard library only what starts fast.
"""
