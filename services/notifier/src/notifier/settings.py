"""Every environment variable of notifier."""

from datetime import timedelta
from math import inf
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from notifier.adapters.letters import LetterWriter, Sender
from notifier.adapters.letters.signing import DkimSigner
from notifier.adapters.letters.styles import inlined
from notifier.adapters.mail_links import SignedMailLinks
from notifier.adapters.smtp import SmtpServer
from notifier.adapters.smtp_connection import SmtpAccount
from notifier.adapters.webhook_secrets import DerivedWebhookSecrets
from notifier.domain.mail_domain import DomainPaces, domain_of
from notifier.handlers.mail_domains import MailDomains
from servicekit.clock import Clock
from servicekit.guests import GuestSettings
from servicekit.link_tokens import LinkTokenKeys
from servicekit.secret_files import SECRET, all_of, first_line
from servicekit.settings import made_of, makes


def _mail_links(secrets: list[str]) -> SignedMailLinks:
    return SignedMailLinks(secrets, "", "")


def _paces_of_some(given: str) -> dict[str, float]:
    """Return the paces that stand in such a setting; raises `ValueError` for anything else."""
    paces: dict[str, float] = {}
    for one in filter(None, (part.strip() for part in given.split(","))):
        domain, equals, pace = one.partition("=")
        name, per_second = domain_of(domain), float(pace) if equals else -1.0
        if not name or "." not in name or not 0 <= per_second < inf or name in paces:
            raise ValueError("domains with mails a second, each once: gmail.com=20,outlook.com=5")
        paces[name] = per_second
    return paces


class NotifierSettings(GuestSettings):
    """Variables are named `NOTIFIER_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="NOTIFIER_")

    # Kept by any other number, a plan's chunks would be in nobody's inbox (decision 0054).
    notifications_partitions: int = Field(
        24,
        ge=24,
        le=24,
        description="Partitions of `notifier.notifications`, for life (events.md 3): no others.",
    )
    lease_seconds: int = Field(10, gt=0, description="How long claimed chunks are ours.")
    smtp_host: str = Field(
        "", description="Server that takes our mail; empty: the channel e-mail is off."
    )
    smtp_port: int = Field(587, gt=0, le=65_535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How it is reached; `none` only in development."
    )
    smtp_user: str = Field("", description="As whom; empty: unasked.", json_schema_extra=SECRET)
    smtp_password: str = Field("", description="That user's password.", json_schema_extra=SECRET)
    smtp_connections: int = Field(4, gt=0, le=64, description="Connections kept to it.")
    smtp_timeout_seconds: float = Field(30.0, gt=0, description="How long an answer may take.")
    mails_per_second: float = Field(
        10.0, gt=0, description="Pace that the mail account allows, over all processes."
    )
    domain_mails_per_second: float = Field(
        0.0,
        ge=0,
        description="Pace that any one mail domain (behind the @) allows; 0: the account's.",
    )
    domain_mails_per_second_of: str = Field(
        "",
        description="Domains that allow another pace: `gmail.com=20,outlook.com=5`; 0: the "
        "account's. A domain that takes nothing rests by itself, whatever stands here.",
    )
    mail_retry_seconds: float = Field(
        300.0, gt=0, description="First pause before a mail is tried again; later ones are longer."
    )
    mail_window_seconds: float = Field(
        300.0,
        ge=0,
        le=3_600,
        description="So long news wait for others of their project, to reach a reader in one mail; "
        "what cannot be muted, or is waited for, never does. 0: a mail for each.",
    )
    mail_from: str = Field(
        "",
        pattern=r"^$|^[^\s@<>]+@[A-Za-z0-9.-]+$",
        validate_default=True,
        description="Address that readers see; its domain takes bounces. Needed with a server.",
    )
    mail_from_name: str = Field(
        "", pattern=r"^[^\x00-\x1f\x7f]*$", description="Name that readers see beside it."
    )
    platform_url: str = Field(
        "",
        pattern=r"^$|^https?://",
        validate_default=True,
        description="Where the platform's pages are; a mail's button leads there. Needed with a "
        "mail server.",
    )
    links_url: str = Field(
        "",
        pattern=r"^$|^https?://",
        validate_default=True,
        description="Where people reach this service, in front of the links that turn mails off. "
        "Needed with a mail server.",
    )
    mail_link_secrets: Annotated[str, makes(_mail_links)] = Field(
        "",
        validate_default=True,
        description="Secrets that sign those links and return paths, at least 16 characters each, "
        "a line each; the first signs. Needed with a mail server.",
        json_schema_extra=SECRET,
    )
    link_token_keys: Annotated[str, makes(LinkTokenKeys)] = Field(
        "",
        description="Ed25519 keys that sign the tokens which personal links are exchanged for, "
        "32 bytes in base64 each, a line each; the first signs, all are published. Empty: such a "
        "link opens nothing at `updates`.",
        json_schema_extra=SECRET,
    )
    own_pages_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s/;,?#]+/mine$",
        validate_default=True,
        description="Where people reach `updates`' pages of their own pledge (https://host/mine). "
        "Needed with those keys.",
    )
    mail_report_secret: str = Field(
        "",
        description="What whoever hands over bounces and complaints proves itself with; empty: "
        "none are taken.",
        json_schema_extra=SECRET,
    )
    dkim_selector: str = Field("", description="Selector of the DKIM key; empty: mails unsigned.")
    dkim_key: str = Field(
        "",
        validate_default=True,
        description="RSA key (PEM) that signs mails. Needed with a selector.",
        json_schema_extra=SECRET,
    )
    follow_asks_per_hour: int = Field(
        1_000,
        gt=0,
        description="How many addresses are asked within an hour whether they follow a project.",
    )
    notifications_days: int = Field(
        1_095,
        ge=60,
        description="After so long it is forgotten who was told, what, and how it was delivered; "
        "how many were told is kept.",
    )
    chunks_at_once: int = Field(8, gt=0, description="Chunks of a thousand told in one send.")
    webhook_keys: Annotated[str, makes(DerivedWebhookSecrets)] = Field(
        "",
        description="Keys that the secrets of webhook endpoints are made of, at least 32 "
        "characters each, separated by commas; the first makes new ones. Empty: no webhooks.",
        json_schema_extra=SECRET,
    )
    webhook_failing_days: float = Field(
        5.0, gt=0, description="An endpoint that has failed for so long is disabled."
    )
    webhook_loopback: bool = Field(
        False, description="Webhooks may go to this very machine; refused in production."
    )

    @property
    def sends_mail(self) -> bool:
        return bool(self.smtp_host)

    def mail_links(self) -> SignedMailLinks:
        """Return what signs return paths and links."""
        domain = self.mail_from.rpartition("@")[2]
        url = self.links_url.rstrip("/")
        return SignedMailLinks(
            all_of(self.mail_link_secrets),
            domain,
            f"{url}/unsubscribe",
            f"{url}/follow",
            f"{url}/personal",
        )

    @field_validator("mail_from", "platform_url", "links_url", "mail_link_secrets")
    @classmethod
    def _is_there_with_a_server(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("smtp_host") and not value:
            raise ValueError("needed beside the mail server")
        return value

    @field_validator("domain_mails_per_second_of")
    @classmethod
    def _names_paces(cls, value: str) -> str:
        _paces_of_some(value)
        return value

    @field_validator("own_pages_url")
    @classmethod
    def _is_there_with_keys(cls, url: str, info: ValidationInfo) -> str:
        if info.data.get("link_token_keys") and not url:
            raise ValueError("needed beside the keys of link tokens")
        if url and not url.startswith("https://") and info.data.get("mode") != "development":
            raise ValueError("tokens leave encrypted in production")
        return url

    @field_validator("smtp_security")
    @classmethod
    def _is_safe(cls, value: str, info: ValidationInfo) -> str:
        if value == "none" and info.data.get("mode") != "development":
            raise ValueError("mail leaves encrypted in production")
        return value

    @field_validator("dkim_key")
    @classmethod
    def _is_there_with_a_selector(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("dkim_selector") and not value:
            raise ValueError("needed beside the selector")
        return value

    @field_validator("webhook_loopback")
    @classmethod
    def _is_for_development(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("mode") != "development":
            raise ValueError("webhooks to this machine are refused in production")
        return value

    def webhook_secrets(self) -> DerivedWebhookSecrets | None:
        """Return what makes endpoints' secrets, None where there are no webhooks."""
        return made_of(self.webhook_keys, DerivedWebhookSecrets)

    def link_keys(self) -> LinkTokenKeys | None:
        """Return what signs tokens of personal links, None where they open nothing elsewhere."""
        return made_of(self.link_token_keys, LinkTokenKeys)

    def mail_server(self) -> SmtpServer:
        """Return who takes our mail; no connection is opened yet."""
        return SmtpServer(
            SmtpAccount(
                host=self.smtp_host,
                port=self.smtp_port,
                security=self.smtp_security,
                hello=self.mail_from.rpartition("@")[2],
                user=first_line(self.smtp_user),
                password=first_line(self.smtp_password),
                timeout_seconds=self.smtp_timeout_seconds,
                connections=self.smtp_connections,
            )
        )

    def mail_domains(self, clock: Clock) -> MailDomains:
        """Return what holds mails to each domain's pace."""
        return MailDomains(
            clock,
            self.mails_per_second,
            timedelta(seconds=self.mail_retry_seconds),
            DomainPaces(
                self.domain_mails_per_second, _paces_of_some(self.domain_mails_per_second_of)
            ),
            # The other half is for domains that take what comes.
            at_once=max(1, self.smtp_connections // 2),
        )

    def letter_writer(self) -> LetterWriter:
        """Return who writes letters."""
        sender = Sender(
            address=self.mail_from,
            name=self.mail_from_name,
            platform_url=self.platform_url,
            unsubscribe=self.mail_links().unsubscribe,
            follow=self.mail_links().follow,
            personal=self.mail_links().personal,
            own_pages=bool(self.link_token_keys),
        )
        sign = None
        if self.dkim_selector:
            sign = DkimSigner(sender.domain, self.dkim_selector, self.dkim_key)
        return LetterWriter(sender, inlined, sign)
