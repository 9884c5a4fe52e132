"""The API of notifier."""

from notifier.http.api import build_api
from notifier.http.mail import MailRoutes
from notifier.http.parts import Parts

__all__ = ["MailRoutes", "Parts", "build_api"]
