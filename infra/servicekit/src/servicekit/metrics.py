"""Every metric of the plumbing: its kind, its meaning, and what to do when it looks wrong.

Names and labels follow `operations.md` 2. Labels come from fixed lists, never from ids.
"""

from prometheus_client import Counter, Gauge, Histogram

# Certificates that are given in files: of whom we trust, and that we show.
CREDENTIALS = ("kafka_ca", "mongodb_ca", "mongodb_client")

PUBLISH_ERRORS = (
    "TimeoutError",
    "KafkaConnectionError",
    "KafkaTimeoutError",
    "NotEnoughReplicasError",
    "TopicAuthorizationFailedError",
    "ProducerFenced",
)

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

BUILD_INFO = Gauge(
    "sosst_build_info",
    "Always 1; the labels say what runs here. Compare replicas after a deploy.",
    ["version", "revision", "contracts_version"],
)
READY = Gauge(
    "sosst_ready",
    "1 where the check passes. 0 takes the instance out of traffic: look at the dependency.",
    ["check"],
)
CONSUMER_RECORDS = Counter(
    "sosst_consumer_records_total",
    "Records read, by what became of them. set_aside growing: look into `set_aside`.",
    ["group", "topic", "outcome"],
)
CONSUMER_BATCH_DURATION = Histogram(
    "sosst_consumer_batch_duration_seconds",
    "From a batch read to its save. Growing: MongoDB is slow or keys conflict.",
    ["group", "topic"],
    buckets=_LATENCY,
)
CONSUMER_EVENT_AGE = Histogram(
    "sosst_consumer_event_age_seconds",
    "From ce_time to saved here, for the newest fact of a batch. Promise: 10 s for 99 %.",
    ["group", "topic"],
    buckets=_LATENCY,
)
CONSUMER_LAG = Gauge(
    "sosst_consumer_lag_records",
    "Records not yet read, over own partitions. Growing: add instances or look at batch duration.",
    ["group", "topic"],
)
CONSUMER_PARTITIONS = Gauge(
    "sosst_consumer_partitions",
    "Partitions this instance reads. 0 on every instance: nobody reads the topic.",
    ["group", "topic"],
)
CONSUMER_PROGRESS = Gauge(
    "sosst_consumer_progress_timestamp_seconds",
    "When a batch was last saved; 0 = never. Old with lag above 0: the consumer is stalled.",
    ["group", "topic"],
)
CONSUMER_REBALANCES = Counter(
    "sosst_consumer_rebalances_total",
    "Times partitions were taken away. Many without a deploy: instances die or are too slow.",
    ["group", "topic"],
)
CONSUMER_COMMIT_FAILURES = Counter(
    "sosst_consumer_commit_failures_total",
    "Positions not committed; what was saved is read again and dropped. Many: look at Kafka.",
    ["group", "topic"],
)
CONSUMER_LAG_SECONDS = Gauge(
    "sosst_consumer_lag_seconds",
    "Since when there was always something left to read; 0 = all read. Promise: 10 s for 99 %.",
    ["group", "topic"],
)
CONSUMER_GAP_KEYS = Gauge(
    "sosst_consumer_gap_keys",
    "Keys that wait for a fact that never came. Above 0 for minutes: a maker lost a fact.",
)
CONSUMER_STOPPED = Gauge(
    "sosst_consumer_stopped",
    "1 where this instance refuses to read on. Deploy a reader that knows the major.",
    ["group", "topic", "reason"],
)
TOPIC_MISSING = Gauge(
    "sosst_consumer_topic_missing",
    "1 where a topic is missing or forbidden. Apply topics and ACLs; it is tried again by itself.",
    ["topic"],
)
SET_ASIDE = Counter(
    "sosst_set_aside_total",
    "Facts set aside, by reason. Each one waits for the missing fact or for a person.",
    ["reason"],
)
SET_ASIDE_FACTS = Gauge(
    "sosst_set_aside_facts",
    "Facts that are set aside now, by reason. Above 0 for long: look with `set-aside list`.",
    ["reason"],
)
SET_ASIDE_KEYS = Gauge(
    "sosst_set_aside_keys",
    "Keys with something set aside; all their later facts wait. A deadline may wait with them.",
)
OUTBOX_ROWS = Gauge(
    "sosst_outbox_rows",
    "Facts saved, not yet acknowledged by the broker; an estimate above 200 documents. Growing: "
    "Kafka away or topic missing.",
)
OUTBOX_OLDEST = Gauge(
    "sosst_outbox_oldest_timestamp_seconds",
    "When the oldest waiting fact was saved; 0 = none. Older than 60 s pages.",
)
OUTBOX_PUBLISH_DELAY = Histogram(
    "sosst_outbox_publish_delay_seconds",
    "From saved to acknowledged. Promise: 5 s for 99.9 %.",
    buckets=_LATENCY,
)
OUTBOX_PUBLISH_FAILURES = Counter(
    "sosst_outbox_publish_failures_total",
    "Sends without acknowledgement, tried again. Steady growth: look at the brokers.",
    ["error"],
)
SWEEP_DUE_OLDEST = Gauge(
    "sosst_sweep_due_oldest_timestamp_seconds",
    "Earliest time at which something is due; 0 = nothing. In the past: nobody sweeps.",
    ["sweep"],
)
SWEEP_LATENESS = Histogram(
    "sosst_sweep_lateness_seconds",
    "How long after its due time a sweep handled something.",
    ["sweep"],
    buckets=_LATENCY,
)
SWEEP_FAILURES = Counter(
    "sosst_sweep_failures_total",
    "Turns of a sweep that ended with an error of ours. Any: read the log for `sweep failed`; what "
    "is due behind it waits.",
    ["sweep"],
)
SWEEP_INTERVAL = Gauge(
    "sosst_sweep_interval_seconds",
    "How often a sweep looks for what is due; what it is measured by when it falls silent.",
    ["sweep"],
)
SWEEP_SUCCESS = Gauge(
    "sosst_sweep_success_timestamp_seconds",
    "When a turn of the sweep last ended without an error, whether or not something was due; 0: "
    "none since the start. Old: read the log for its name.",
    ["sweep"],
)
WORK_ITEMS = Gauge(
    "sosst_work_items",
    "Work that is waiting or in hand. Growing: the outside party is slow or refuses.",
    ["kind", "state"],
)
WORK_OLDEST = Gauge(
    "sosst_work_oldest_timestamp_seconds",
    "Earliest due time among the work; 0 = none. Far in the past: no worker claims it.",
    ["kind"],
)
DISPATCHES = Gauge(
    "sosst_dispatches",
    "1 = this process sends to the account outside. 0 in all of them: nobody does, look why.",
    ["account"],
)
WORK_LEASE_EXPIRED = Counter(
    "sosst_work_lease_expired_total",
    "Claims of work whose holder had vanished. Expected after a crash, suspicious otherwise.",
    ["kind"],
)
LANE_BATCH_ITEMS = Histogram(
    "sosst_lane_batch_items",
    "Commands saved together. Always 1 under load: group commit does not work.",
    buckets=(1, 2, 5, 10, 25, 50, 100),
)
LANE_WAIT = Histogram(
    "sosst_lane_wait_seconds",
    "How long a command waited for its group. Growing: one campaign is hot or saves are slow.",
    buckets=_LATENCY,
)
WRITE_CONFLICTS = Counter(
    "sosst_write_conflicts_total",
    "Transactions repeated because somebody else wrote first. Many: two processes share a key.",
)
AS_OF_WAITING = Gauge(
    "sosst_as_of_waiting_items",
    "Decisions that wait until the own view has reached N. Above 0 for 30 s: the view is behind.",
)
AS_OF_WAITING_OLDEST = Gauge(
    "sosst_as_of_waiting_oldest_timestamp_seconds",
    "Since when the oldest of them waits; 0 = none. Older than 30 s: look at the lag.",
)
MIGRATIONS_PENDING = Gauge(
    "sosst_migrations_pending",
    "1 where the database is older than this release needs. Run `migrate`.",
)
INVARIANT_VIOLATIONS = Gauge(
    "sosst_invariant_violations",
    "Violations found by the last check. Anything above 0 pages: stop money, read the runbook.",
    ["invariant"],
)
INVARIANT_CHECKED = Gauge(
    "sosst_invariant_checked_timestamp_seconds",
    "When the invariant was last checked. Silent for 30 minutes pages.",
    ["invariant"],
)
HTTP_REQUESTS = Counter(
    "sosst_http_requests_total",
    "Requests answered. 5xx burn the budget of 0.1 %.",
    ["method", "route", "code"],
)
HTTP_DURATION = Histogram(
    "sosst_http_request_duration_seconds",
    "Time to answer. Promise: reads 300 ms, writes 500 ms for 99 %.",
    ["method", "route"],
    buckets=_LATENCY,
)
ISSUER_KEY_FETCHES = Counter(
    "sosst_issuer_key_fetches_total",
    "Looks at the issuer's keys. Only `failed`: its address or the network is wrong.",
    ["outcome"],
)
ISSUER_KEYS_FETCHED = Gauge(
    "sosst_issuer_keys_fetched_timestamp_seconds",
    "When the issuer's keys were last fetched; 0 = never. A day old: all tokens are refused.",
)
REFUSALS = Counter(
    "sosst_refusals_total",
    "Commands refused with a reason. A sudden rise: a client is broken.",
    ["reason"],
)
MONGODB_OPERATION_DURATION = Histogram(
    "sosst_mongodb_operation_duration_seconds",
    "Time of each database command, as the driver saw it.",
    ["operation"],
    buckets=_LATENCY,
)
EVENT_LOOP_DELAY = Gauge(
    "sosst_event_loop_delay_seconds",
    "How late the event loop runs. Above 0.1 s: something blocks it.",
)
CLOCK_SKEW = Gauge(
    "sosst_clock_skew_seconds",
    "Local clock minus the database's. Above a second: repair the time service of the host.",
)
SWITCH_ON = Gauge(
    "sosst_switch_on",
    "1 while operators have stopped it; `switch list` says who, why and until when.",
    ["switch"],
)
RECOVER_REQUIRED = Gauge(
    "sosst_recover_required",
    "1 where the own topics are ahead of the database and nothing runs: run the command `recover`.",
)
CREDENTIAL_EXPIRY = Gauge(
    "sosst_credential_expiry_timestamp_seconds",
    "When the first certificate in a credential's file runs out; 0 = no file is given. Nearer than "
    "14 days: renew it, and replace the file.",
    ["credential"],
)

for _credential in CREDENTIALS:
    CREDENTIAL_EXPIRY.labels(_credential)
for _outcome in ("fetched", "failed"):
    ISSUER_KEY_FETCHES.labels(_outcome)
for _error in (*PUBLISH_ERRORS, "other"):
    OUTBOX_PUBLISH_FAILURES.labels(_error)
