"""What every client here has: settings that must be given, and steps that say how they ended."""

import os
import sys


def required(name):
    assert os.environ.get(name), f"set {name} in the environment"
    return os.environ[name]


def step(name, run):
    try:
        result = run()
    except BaseException:
        print(f"FAIL {name}", file=sys.stderr)
        raise
    print(f"ok   {name}", file=sys.stderr)
    return result
