import os

os.write(2, b"exits at load\n")
os._exit(3)


def same(event, context):
    return event
