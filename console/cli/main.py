"""Entry point of the `dicom-node` program: `--version` at once, everything else by console.cli.app."""

import sys

from console.cli.version import version_line


def main() -> None:
    """Run the command that the arguments name; a defect ends it with its place, and no words but the node's own."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"{version_line()}\n")
        return
    from config.imports import importing  # noqa: PLC0415 - what the version does not need

    with importing():
        from config import defects, logs  # noqa: PLC0415 - as above
        from config.private import keep_to_owner  # noqa: PLC0415 - as above
        from console.cli.app import app, is_serving  # noqa: PLC0415 - as above

    keep_to_owner()
    logs.log_to(sys.stderr, "dicom-node", readable=True)
    try:
        app()
    except Exception as error:  # a defect; Python itself would print what libraries say of their arguments
        shown = is_serving(sys.argv[1:]) or "--debug" in sys.argv
        said = f"a defect of the node: {defects.in_short(error)}; dicom-node --debug COMMAND ... says more"
        sys.stderr.write((defects.trace(error) if shown else said) + "\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
