"""The default models as a plugin: each folder here with a config.json is a codec; what was fitted on it lies inside."""

from pathlib import Path

from latentopt.hookspecs import Register, hookimpl

FOLDER = Path(__file__).parent


@hookimpl
def register_codecs(register: Register) -> None:
    for config in sorted(FOLDER.glob("*/config.json")):
        register(config.parent.name, config.parent, "a default model; see its README.md")


@hookimpl
def register_artefacts(register: Register) -> None:
    for record in sorted(FOLDER.glob("*/*/*/artefact.json")):
        codec, kind, name = record.parts[-4:-1]
        register(f"{codec}/{name}", record.parent, f"a fitted {kind.removesuffix('s')}")
