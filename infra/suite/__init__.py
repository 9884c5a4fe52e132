"""The whole suite as processes on this machine: for the demo, for journeys, for breaking it."""

from infra.suite.processes import ServiceProcess
from infra.suite.suite import Suite

__all__ = ["ServiceProcess", "Suite"]
