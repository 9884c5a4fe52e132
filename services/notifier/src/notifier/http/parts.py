"""What the routes of notifier stand on."""

from dataclasses import dataclass

from notifier.handlers.would_be_told import WouldBeTold
from notifier.http.mail import MailRoutes
from notifier.http.own_pages import OwnPages
from notifier.http.webhooks import Webhooks
from notifier.ports.queries import Queries
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.units import UnitsOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the application.

    `mail` None: the channel e-mail is off. `own_pages` None: a personal link opens what this
    service knows, and nothing elsewhere.
    """

    guard: Guard
    units: UnitsOfWork[NotifierUnit]
    clock: Clock
    queries: Queries
    webhooks: Webhooks
    would_be_told: WouldBeTold
    mail: MailRoutes | None = None
    own_pages: OwnPages | None = None
