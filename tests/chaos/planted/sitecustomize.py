"""Imported by Python itself in a process whose PYTHONPATH names this folder: plants one bug there.

Only the tests of chaos start such processes; no service knows of this.
"""

import importlib
import os

if "SOSST_PLANTED" in os.environ:
    importlib.import_module("planted_bugs").plant(os.environ["SOSST_PLANTED"])
