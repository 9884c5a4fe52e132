"""The official CloudEvents library reads what we write, and we read what it writes."""

import json

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.kafka import KafkaMessage, from_binary

from contracts.tests.records import HAPPENED_AT, VERDICT, record_of, value_of
from sosst_contracts.codec import Decoded, Record, decode
from sosst_contracts.event import Event
from sosst_contracts.platform import PaymentCaptured
from sosst_contracts.registry import REGISTRY
from sosst_contracts.testing import sample

EVENTS = pytest.mark.parametrize(
    "event_type", REGISTRY.event_types, ids=[one.type_name() for one in REGISTRY.event_types]
)


@EVENTS
def test_it_reads_what_we_write(event_type: type[Event]) -> None:
    """Every attribute and the data arrive, in the library's present interface."""
    record = record_of(sample(event_type))
    message = kafka.KafkaMessage(dict(record.headers), record.key, record.value)
    read = kafka.from_binary(message, JSONFormat())
    assert isinstance(read, CloudEvent)
    assert read.get_type() == event_type.type_name()
    assert read.get_source() == event_type.source()
    assert read.get_subject() == sample(event_type).key
    assert read.get_time() == HAPPENED_AT
    assert read.get_dataschema() == event_type.schema_id()
    assert read.get_datacontenttype() == "application/json"
    sequence = "7".zfill(20) if event_type.sequenced else None
    assert read.get_extension("sequence") == sequence
    assert read.get_data() == value_of(record)


def test_its_older_interface_reads_it_too() -> None:
    """Subscribers with version 1 of the library read the same attributes."""
    message = KafkaMessage(dict(VERDICT.headers), VERDICT.key, VERDICT.value)
    read = from_binary(message)
    assert read["id"] == "funding.campaigns:campaign-1:7"
    assert read["type"] == "sosst.funding.verdict-reached.v1"
    assert read["sequence"] == "00000000000000000007"
    assert read.data == value_of(VERDICT)


def test_we_read_what_it_writes() -> None:
    """A payment that the platform publishes with the library is decoded."""
    payment = sample(PaymentCaptured)
    read = decode(_written_by_library(payment))
    assert isinstance(read, Decoded), read
    assert read.event == payment
    assert read.envelope.time == HAPPENED_AT


def _written_by_library(event: Event) -> Record:
    given = {
        "id": "ch_1/captured",
        "type": event.type_name(),
        "source": event.source(),
        "specversion": "1.0",
        "time": HAPPENED_AT,
        "datacontenttype": "application/json",
        "partitionkey": event.key,
    }
    data = json.loads(event.model_dump_json(exclude_none=True))
    message = kafka.to_binary(CloudEvent(given, data), JSONFormat())
    return Record(event.topic, event.key.encode(), message.value, tuple(message.headers.items()))
