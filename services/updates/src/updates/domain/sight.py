"""What of a campaign's published updates somebody is shown, fixed by each at its publication."""

from dataclasses import dataclass

from updates.domain.update import Content, Visibility


@dataclass(frozen=True, slots=True)
class Sight:
    """`inside` sees what is for backers; `rewards` are those chosen, None sees every reward's."""

    inside: bool = False
    rewards: frozenset[str] | None = frozenset()

    def shows(self, content: Content) -> bool:
        """Whether this may be read."""
        if content.visibility is Visibility.PUBLIC:
            return True
        if content.visibility is Visibility.BACKERS:
            return self.inside
        return self.rewards is None or bool(self.rewards & set(content.rewards))


STRANGER = Sight()
EVERYTHING = Sight(inside=True, rewards=None)
