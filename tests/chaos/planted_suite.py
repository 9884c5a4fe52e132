"""A suite in which one instance starts with something planted into it, its sources untouched."""

from collections.abc import Mapping
from pathlib import Path

from infra.native import Addresses
from infra.suite import ServiceProcess, Suite

HOOK = Path(__file__).with_name("planted")


class PlantedSuite(Suite):
    """`planted` names a function of `planted/planted_bugs.py` for an instance, as `payouts-1`."""

    def __init__(self, folder: Path, addresses: Addresses, planted: Mapping[str, str]) -> None:
        self._planted = dict(planted)
        super().__init__(folder, addresses)

    def instance(self, service: str, number: int, *, wait: bool = True) -> ServiceProcess:
        process = super().instance(service, number, wait=wait)
        bug = self._planted.get(process.name)
        return process if bug is None else PlantedProcess(process, bug)


class PlantedProcess(ServiceProcess):
    """The same process with a hook of Python's own in front of it."""

    def __init__(self, of: ServiceProcess, bug: str) -> None:
        self.__dict__.update(of.__dict__)
        self._bug = bug

    def command(self, *arguments: str) -> list[str]:
        """Return the command line, with the hook's folder where Python looks first."""
        hook = ["env", f"PYTHONPATH={HOOK}", f"SOSST_PLANTED={self._bug}"]
        return [*hook, *super().command(*arguments)]
