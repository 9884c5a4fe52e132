"""The image's health check: asks `/livez` of the one health port that the environment names."""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 4
SUFFIX = "_HEALTH_PORT"


def main(environment: dict[str, str]) -> int:
    """Return 0 if the service says that it lives, 1 with a line otherwise."""
    ports = [value for name, value in environment.items() if name.endswith(SUFFIX)]
    if len(ports) != 1:
        print(f"{len(ports)} variables end with {SUFFIX}")
        return 1
    # No proxy of the environment stands between a container and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{ports[0]}/livez", timeout=TIMEOUT_SECONDS):
            return 0
    except urllib.error.HTTPError as answer:
        print(f"{answer.code}: {answer.read().decode(errors='replace')}")
    except OSError as error:
        print(error)
    return 1


if __name__ == "__main__":
    sys.exit(main(dict(os.environ)))
