"""`python -m infra.docker build [NAME …]`: build the images, on whatever engine can be had."""

import argparse
import sys

from infra.docker.engine import EngineUnavailable, engine_in_use
from infra.docker.images import IMAGES, BuildFailed, build_images, image_of
from infra.native.errors import NativeStackError

UNAVAILABLE = 69


def main(arguments: list[str]) -> int:
    """Run the command; 1 for a build that failed, 69 where no engine can be had."""
    parser = argparse.ArgumentParser(prog="python -m infra.docker", description=__doc__)
    build = parser.add_subparsers(dest="command", required=True).add_parser("build")
    build.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(IMAGES)} (all)")
    names = parser.parse_args(arguments).names or list(IMAGES)
    if unknown := set(names) - set(IMAGES):
        parser.error(f"no such image: {', '.join(sorted(unknown))}")
    try:
        with engine_in_use() as engine:
            stand_in = build_images(engine, names)
    except EngineUnavailable as refusal:
        print(f"no images: {refusal}", file=sys.stderr)
        return UNAVAILABLE
    except (BuildFailed, NativeStackError) as failure:
        print(failure, file=sys.stderr)
        return 1
    print("\n".join(image_of(name) for name in names))
    if stand_in:
        print("on a stand-in base: for tests, not for release", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
