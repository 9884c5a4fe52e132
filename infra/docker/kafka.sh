#!/bin/sh
# The address for the host is known only when a container starts; the last line of a key counts.
set -eu
cp /opt/kafka/kafka.properties /var/lib/kafka/kafka.properties
echo "advertised.listeners=NETWORK://kafka:9092,HOST://$SOSST_HOST_ADDRESS" >> /var/lib/kafka/kafka.properties
exec java "$@" -Dkafka.log.file=/var/lib/kafka/server.log -Dlog4j2.configurationFile=/opt/kafka/log4j2.properties \
    -cp '/opt/kafka/lib/*' kafka.Kafka /var/lib/kafka/kafka.properties
