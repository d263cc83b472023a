"""`bmm config`: the effective settings, each with what it means."""

import argparse
import os

import msgspec

from bmm.config import Config, config_path

HELP = "show the effective settings, where they come from and what they mean"
EXAMPLE = "bmm config --json"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.output import as_json

    if args.json:
        as_json(config.shown())
        return 0
    path = config_path(os.environ)
    print(f"# {path}{'' if path.exists() else ' (does not exist; these are the defaults and BMM_… variables)'}")
    for name, (value, meaning) in described(config).items():
        print(f"\n# {meaning}\n{name} = {msgspec.json.encode(value).decode()}")
    return 0


def described(config: Config) -> dict[str, tuple[object, str]]:
    """Every setting's value and meaning; of the model's key only whether it is set."""
    shown = config.shown()
    schema = msgspec.json.schema(Config)["$defs"]["Config"]["properties"]
    return {name: (getattr(shown, name), schema[name]["description"]) for name in schema}
