"""Metrics of updates: kind, meaning, and what to do (`operations.md` 2)."""

from prometheus_client import Counter, Gauge

from updates.domain.claim import ALARMED, ClaimState
from updates.domain.follow_up import SilenceStep
from updates.domain.kinds import UpdateKind
from updates.domain.problem import ProblemKind
from updates.domain.survey import SurveyState

PUBLISHED = Counter(
    "sosst_updates_published_total",
    "Updates published, each once. Compare with the causes that notifier has.",
    ["kind"],
)
SCHEDULED_REFUSED = Counter(
    "sosst_updates_scheduled_refused_total",
    "Scheduled updates that the rules did not let go out: drafts again; their creators see why.",
)
SCHEDULED_OVERDUE = Gauge(
    "sosst_updates_scheduled_overdue",
    "Updates that were to go out a minute ago or more and have not. An emergency without its plan "
    "keeps back what its campaign scheduled; else look at the sweep `schedules` and the view.",
)
OPEN_PROBLEMS = Gauge(
    "sosst_updates_open_problems",
    "Delays and emergencies that no update has resolved, but of campaigns that ended without their "
    "goal. Emergencies for long: `GET /queues/follow-ups` says which wait for a plan.",
    ["kind"],
)
SILENT_PROJECTS = Gauge(
    "sosst_updates_silent_projects",
    "Projects by the last step that their silence reached. Many `staff_told`: work the queue of "
    "follow-ups; many at once in the first: look whether anybody can publish.",
    ["step"],
)

CLAIMS = Gauge(
    "sosst_updates_claims",
    "Claims by whose turn they are. Many `with_staff`: open the queue of claims.",
    ["state"],
)
CLAIM_OVERDUE = Gauge(
    "sosst_updates_claim_overdue",
    "Claims whose answer by staff, or by payouts to a request, is late. "
    "`with_staff`: work the queue; `money_requested`: look for the refund in payouts' queues.",
    ["state"],
)

REPORTS_OPEN = Gauge(
    "sosst_updates_reports_open",
    "Updates and comments that readers reported and nobody decided. Many: open the queue.",
)
REPORTS_OLDEST = Gauge(
    "sosst_updates_report_oldest_timestamp_seconds",
    "When the oldest of those was first reported; 0 = none. Two days old: work the queue.",
)
APPEALS_OPEN = Gauge(
    "sosst_updates_appeals_open",
    "Appeals against hidings that nobody has decided. Many: open the queue.",
)
APPEAL_OLDEST = Gauge(
    "sosst_updates_appeal_oldest_timestamp_seconds",
    "When the oldest of those was made; 0 = none. Two days old: work the queue.",
)

REPLIES_ERASED = Counter(
    "sosst_updates_replies_erased_total",
    "Replies to questionnaires erased when their time was over. None while some are due: look at "
    "the sweep `erase replies`.",
)
VIEW_AGE = Gauge(
    "sosst_updates_view_age_seconds",
    "How long ago all of a topic was last in the project view. Above some minutes: look at the lag "
    "of its group, and whether a rebuild of the view was begun and not ended.",
    ["source"],
)

VIEW_GATE_SHUT = Gauge(
    "sosst_updates_view_gate_shut",
    "1 while a rebuilt view takes the place of the one before: nothing is published. Longer than a "
    "moment: the rebuild has died, begin it again with `--take-over`.",
)
SURVEYS = Gauge(
    "sosst_updates_surveys",
    "Surveys by state. Open ones that never fall although their ends pass: look at the sweep "
    "`surveys`.",
    ["state"],
)
PROMISES = Gauge(
    "sosst_updates_promises",
    "Promised days that nobody has called done, by whether they lie ahead or are past everywhere. "
    "Ever more past: creators do not answer; look at projects that are silent.",
    ["state"],
)
PROMISE_MOVES = Gauge(
    "sosst_updates_promise_log_entries",
    "Entries of all promise logs by direction. Fewer than before: the log is incomplete, restore.",
    ["kind"],
)

SHARED_READS = Counter(
    "sosst_updates_shared_reads_total",
    "Reads by share links, by what came of them. Many `unknown`: somebody guesses, look at where "
    "they come from; many `ended`: a link is out there that its creator took back.",
    ["outcome"],
)
UPLOADS = Counter(
    "sosst_updates_uploads_total",
    "Uploads by their end. Many `failed`: look at the object store and the scanner; many `cut`: at "
    "what stands in front of the service.",
    ["outcome"],
)
ORPHAN_MEDIA = Gauge(
    "sosst_updates_orphan_media",
    "Objects that no upload knows, found and removed by the last whole round. "
    "Some after a crash or a restored backup are normal; ever more: two services share a store.",
)
for _outcome in ("stored", "refused", "cut", "failed"):
    UPLOADS.labels(_outcome)
for _survey_state in SurveyState:
    SURVEYS.labels(_survey_state.value)
for _standing in ("ahead", "past"):
    PROMISES.labels(_standing)
for _direction in ("earlier", "later"):
    PROMISE_MOVES.labels(_direction)
for _state in ClaimState:
    CLAIMS.labels(_state.value)
for _state in ALARMED:
    CLAIM_OVERDUE.labels(_state.value)
for _problem in ProblemKind:
    OPEN_PROBLEMS.labels(_problem.value)
for _step in SilenceStep:
    SILENT_PROJECTS.labels(_step.value)
for _kind in UpdateKind:
    PUBLISHED.labels(_kind.value)
