"""`python -m wif_pipelines.sandbox serve|aws`: the processes of the local cloud; people start it by `wif sandbox`."""

import sys

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Run one of the two processes.

    Raises:
        SystemExit: when it is none of them.
    """
    part, *rest = arguments or [""]
    if part == "serve":
        from wif_pipelines.sandbox import serve

        serve.main(rest)
    elif part == "aws":
        from wif_pipelines.sandbox.aws import serve as aws_serve

        aws_serve.main(rest)
    else:
        sys.exit("usage: python -m wif_pipelines.sandbox serve --directory D")


if __name__ == "__main__":
    main(sys.argv[1:])
