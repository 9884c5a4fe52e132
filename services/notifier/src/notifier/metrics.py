"""Metrics of notifier: kind, meaning, and what to do (`operations.md` 2)."""

from prometheus_client import Counter, Gauge, Histogram

from notifier.domain.webhook_endpoint import SendOutcome

PRIORITIES = ("emergency", "usual")
# What goes first, and all else.
LANES = ("urgent", "usual")
CAUSES = Gauge(
    "sosst_notifier_causes",
    "Causes that are not completed, by state. Growing: the view is behind or Kafka is away.",
    ["state", "priority"],
)
OLDEST_INCOMPLETE = Gauge(
    "sosst_notifier_cause_oldest_incomplete_timestamp_seconds",
    "When the oldest incomplete cause was heard; 0 = none. Older than 15 minutes pages, an "
    "emergency older than one.",
    ["priority"],
)
GAP = Gauge(
    "sosst_notifier_completeness_gap",
    "People of open causes with no outcome and not pending. Anything but 0 is a bug that pages.",
)
CONTRADICTIONS = Counter(
    "sosst_notifier_audience_contradictions_total",
    "Causes whose audience was counted differently by their maker. Any: somebody must look.",
)
SUPPLEMENTS = Counter(
    "sosst_notifier_supplements_total",
    "People told beside an audience: their money had come by then and was heard of later. A "
    "transaction that is repeated counts again. Many: facts of payments come late to funding.",
)
TOLD_DELAY = Histogram(
    "sosst_notifier_told_delay_seconds",
    "From the fact to the inbox, or to the mail server. Promise: 60 s for 99.5 %, and for mails 15 "
    "minutes for 99 %.",
    ["channel"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900),
)
NOTIFICATIONS = Counter(
    "sosst_notifier_notifications_total",
    "People told, by outcome; a chunk that is repeated after a crash counts again.",
    ["outcome"],
)

# Put off before anything was tried; every other outcome is a `DeliveryState`.
WAITING = "waiting"
DELIVERIES = Counter(
    "sosst_notifier_deliveries_total",
    "Outcomes of notifications on channels beyond the inbox; `later` counts each try that has to "
    "be repeated; `waiting` each time that a digest, quiet hours or a mail domain's pace put one "
    "off untried, which is no failure. More than 5 % failed or later: look at the channel's server "
    "and what it refuses.",
    ["channel", "outcome"],
)
MERGED = Counter(
    "sosst_notifier_mails_merged_total",
    "Notices that reached their reader inside the mail of another one. Most of all deliveries: "
    "somebody publishes in many small pieces.",
)
DOMAIN_RESTS = Counter(
    "sosst_notifier_mail_domain_rests_total",
    "Rests that mail domains were given because they took nothing; all others are written to "
    "meanwhile. Growing: the log names the domain and its answer; give it a slower pace.",
)
POSSIBLY_REPEATED = Counter(
    "sosst_notifier_possibly_repeated_total",
    "Mails sent again, with the same Message-ID, because a crash or a lost connection left open "
    "whether they had been. Growing without crashes: the server drops connections.",
)
BOUNCES = Counter(
    "sosst_notifier_bounces_total",
    "Addresses that refused mail, at once or by a later report. Many at once: a bad import of "
    "addresses, or a server that refuses all of us.",
    ["class"],
)
COMPLAINTS = Counter(
    "sosst_notifier_complaints_total",
    "Readers who called a mail of ours unwanted. Above one in a thousand mails servers refuse us.",
)
SUPPRESSED_ADDRESSES = Gauge(
    "sosst_notifier_suppressed_addresses",
    "Addresses that are not written to now, by reason. Its people are told in their inbox.",
    ["reason"],
)
UNREACHED = Gauge(
    "sosst_notifier_unreached",
    "Decisive messages whose mail reached nobody, and that were neither read nor ended by staff. "
    "Each is a letter or a call: `GET /unreached`.",
)
OLDEST_UNREACHED = Gauge(
    "sosst_notifier_unreached_oldest_timestamp_seconds",
    "Since when the oldest of those waits; 0 = none. Older than three days: staff must act.",
)
DELIVERY_QUEUE = Gauge(
    "sosst_notifier_delivery_queue",
    "Recipients without an outcome on a channel, by lane (urgent or usual): of campaign-wide "
    "causes in the inbox, of all by e-mail. Urgent above 0 for long: what is urgent waits.",
    ["channel", "priority"],
)
DELIVERY_ETA = Gauge(
    "sosst_notifier_delivery_eta_seconds",
    "How long the channel's queue takes at the pace of its account, or until the last turn that a "
    "mail domain has given, if that is later. Above an hour: ask for more.",
    ["channel"],
)
WEBHOOK_ENDPOINTS = Gauge(
    "sosst_notifier_webhook_endpoints",
    "Endpoints of other teams, by state. Failing: they answer no 2xx; disabled: tell their owner.",
    ["state"],
)
WEBHOOK_ATTEMPTS = Counter(
    "sosst_notifier_webhook_attempts_total",
    "Facts posted to endpoints, by outcome. Slow and unreachable are the receiver's to mend.",
    ["outcome"],
)

FORGOTTEN = Counter(
    "sosst_notifier_forgotten_total",
    "Notifications so old that it is forgotten who was told; how many is kept. None for long while "
    "causes are old enough: the sweep `forget` does not run.",
)
TOO_OLD = Counter(
    "sosst_notifier_too_old_total",
    "Facts of more than 14 days ago, of which nobody is told. Many, but at a first start: we lag.",
)

for _priority in PRIORITIES:
    OLDEST_INCOMPLETE.labels(_priority)
    for _state in ("waiting", "planned"):
        CAUSES.labels(_state, _priority)
TOLD_DELAY.labels("inbox")
TOLD_DELAY.labels("email")
for _outcome in ("delivered", "suppressed", "failed", "later", WAITING):
    DELIVERIES.labels("email", _outcome)
for _class in ("hard", "soft", "content"):
    BOUNCES.labels(_class)
for _reason in ("soft-bounce", "hard-bounce", "complaint"):
    SUPPRESSED_ADDRESSES.labels(_reason)
for _channel in ("inbox", "email"):
    for _priority in LANES:
        DELIVERY_QUEUE.labels(_channel, _priority)
DELIVERY_ETA.labels("email")
NOTIFICATIONS.labels("delivered")
NOTIFICATIONS.labels("suppressed")
for _state in ("enabled", "failing", "disabled"):
    WEBHOOK_ENDPOINTS.labels(_state).set(0)
for _sent in SendOutcome:
    WEBHOOK_ATTEMPTS.labels(_sent.value)
