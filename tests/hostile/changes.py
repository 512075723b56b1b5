"""Changes of files in the small good folder of `hostile_cases`; each takes the folder."""

import json
import os


def values(name, **changed):
    """Change values of a JSON file by dotted path."""

    def change(folder):
        path = folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        for key, value in changed.items():
            *parts, last = key.split("__")
            inner = content
            for part in parts:
                inner = inner.setdefault(part, {})
            inner[last] = value
        path.write_text(json.dumps(content))

    return change


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def both(*changes):
    return lambda folder: [change(folder) for change in changes]


def content(name, made):
    """Put bytes or text, or what a function makes of the folder, into a file."""

    def change(folder):
        found = made(folder) if callable(made) else made
        found = found.encode() if isinstance(found, str) else found
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(found)

    return change


def pipe(name):
    def change(folder):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change
