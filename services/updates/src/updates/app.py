"""The composition root of updates: what is plugged into what; no rule lives here."""

from collections.abc import Collection
from datetime import timedelta

import structlog

from servicekit.issuer_keys import PublishedKeys
from servicekit.link_tokens import LinkTokenVerifier
from servicekit.loops import Loop
from servicekit.process import Process
from servicekit.runtime import Runtime
from updates.adapters.clamd import ClamdScanner
from updates.adapters.content_types import HEAD_BYTES
from updates.adapters.inspection import ContentInspector
from updates.adapters.mongo_appeals import MongoAppealQueries
from updates.adapters.mongo_claims import MongoClaimQueries
from updates.adapters.mongo_comments import MongoCommentQueries
from updates.adapters.mongo_media import MongoMediaQueries
from updates.adapters.mongo_questionnaires import MongoQuestionnaireQueries
from updates.adapters.mongo_reports import MongoReportQueries
from updates.adapters.mongo_share_links import MongoShareLinkQueries
from updates.adapters.mongo_surveys import MongoSurveyQueries
from updates.adapters.queries import MongoQueries
from updates.adapters.schema import SCHEMA
from updates.adapters.unit import bind
from updates.consumer import PLEDGES, subscriptions
from updates.handlers.claims import ClaimDesk
from updates.handlers.take_upload import UploadDesk
from updates.http import Parts, build_api
from updates.http.media import MediaShelf
from updates.http.share_links import ShareShelf
from updates.ports.unit import UpdatesUnit
from updates.recovery import recovery
from updates.settings import UpdatesSettings
from updates.timetable import timetable

log = structlog.get_logger()

# For whom tokens of personal links are made that count here.
LINK_AUDIENCE = "updates"


def begin(settings: UpdatesSettings, roles: Collection[str]) -> Runtime[UpdatesUnit]:
    """Open connections; nothing is sent yet."""
    return Runtime("updates", settings, SCHEMA, bind, roles)


def assemble(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> Process:
    """Add updates' own parts to the runtime."""
    parts = _parts(settings, runtime)
    for subscription in subscriptions(runtime.clock, parts.claim_desk, parts.publishing.plan):
        runtime.subscribe(subscription)
    for sweep in timetable(runtime, parts):
        runtime.sweep(sweep)
    runtime.recover_with(recovery(settings, runtime))
    return runtime.process(build_api(parts))


def _parts(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> Parts:
    database = runtime.database
    return Parts(
        guard=runtime.guard,
        units=runtime.units,
        clock=runtime.clock,
        queries=MongoQueries(database),
        claims=MongoClaimQueries(database),
        surveys=MongoSurveyQueries(database),
        comments=MongoCommentQueries(database),
        reports=MongoReportQueries(database),
        appeals=MongoAppealQueries(database),
        questionnaires=MongoQuestionnaireQueries(database),
        pledges=PLEDGES,
        claim_desk=ClaimDesk(PLEDGES, settings.patience()),
        questionnaire_desk=settings.questionnaire_desk(),
        tracking=settings.tracking_terms(),
        follow_up=settings.follow_up_terms(),
        media=_media_shelf(settings, runtime),
        shares=_share_shelf(settings, runtime),
        links=_link_tokens(settings, runtime),
        public_url=settings.public_url,
        edit_window=timedelta(seconds=settings.edit_window_seconds),
        publishing=settings.publishing_terms(),
        surveying=settings.survey_terms(),
        after_failure=timedelta(seconds=settings.after_failure_seconds),
        guests=settings.guest_pace(),
    )


def _link_tokens(
    settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]
) -> LinkTokenVerifier | None:
    """Return who knows tokens of personal links, None where they open nothing here."""
    if not settings.link_token_jwks_url:
        return None
    keys = PublishedKeys(
        settings.link_token_jwks_url, refresh_seconds=settings.auth_keys_seconds, measured=False
    )
    runtime.loop("api", Loop("keys of link tokens", keys.run))
    return LinkTokenVerifier(LINK_AUDIENCE, keys)


def _share_shelf(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> ShareShelf | None:
    """Return by what updates are shared, None where nothing signs the links."""
    signer = settings.share_link_signer()
    return ShareShelf(MongoShareLinkQueries(runtime.database), signer) if signer else None


def _media_shelf(settings: UpdatesSettings, runtime: Runtime[UpdatesUnit]) -> MediaShelf | None:
    """Return what takes and serves files, None where they have no place."""
    if not settings.media_store:
        return None
    scanner = ClamdScanner(settings.media_scanner) if settings.media_scanner else None
    if scanner is None:
        log.info("uploaded files are not scanned for viruses")
    desk = UploadDesk(
        runtime.units,
        runtime.clock,
        settings.media_objects(),
        ContentInspector(),
        HEAD_BYTES,
        scanner,
        settings.upload_limits(),
        settings.media_uploads_at_once,
    )
    return MediaShelf(desk, MongoMediaQueries(runtime.database), settings.media_links())
