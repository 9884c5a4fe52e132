"""The API of notifier."""

from notifier.http.api import build_api
from notifier.http.mail import MailRoutes

__all__ = ["MailRoutes", "build_api"]
