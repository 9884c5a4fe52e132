"""The payments intake of a suite that has none."""


class NoIntake:
    """A suite that gets its payments by HTTP only: the intake has always passed."""

    async def ends(self) -> dict[int, int]:
        return {}

    async def committed(self) -> dict[int, int]:
        return {}
