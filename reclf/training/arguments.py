"""What a shell says to `python -m reclf.pretrain`, read without torch, which takes seconds."""

from argparse import ArgumentParser, Namespace

from reclf.runs.sittings import ACCEPTABLE

from .presets import PRESETS

ABOUT = "Command line for `accelerate launch` and torchrun; the notebook is the usual door."
SETTING = """a setting by dotted path, e.g. train.max_steps=100 or 'data.options={"seed": 1}' (dicts
and lists are JSON, a dict merges into what is there); may be repeated"""


def read_arguments(arguments: list[str] | None = None) -> tuple[Namespace, ArgumentParser]:
    """The arguments, by default of this process, with `set` as pairs (name, value); SystemExit
    after the help text, and after a line on what is wrong."""
    parser = ArgumentParser(prog="python -m reclf.pretrain", description=ABOUT)
    add = parser.add_argument
    add("--run-dir", required=True, help="folder of the run, made or resumed")
    add("--preset", default="", choices=PRESETS, help="of a new run")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=SETTING)
    quiet = "no progress bar: the processes that notebook_launcher forks cannot draw one"
    add("--quiet", action="store_true", help=quiet)
    accept = "go on with a run although this has changed; may be repeated, and is recorded"
    add("--accept", action="append", default=[], choices=ACCEPTABLE, help=accept)
    trust = "import the classes that the config.json of the run names, as their author"
    add("--trust-code", action="store_true", help=trust)
    given = parser.parse_args(arguments)
    if wrong := [item for item in given.set if "=" not in item]:
        parser.error(f"--set takes NAME=VALUE, got {wrong[0]!r}")
    given.set = [tuple(item.split("=", 1)) for item in given.set]
    return given, parser
