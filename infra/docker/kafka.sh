#!/bin/sh
# The address for the host is known only when a container starts; the last line of a key counts.
set -eu
cp /opt/kafka/server.properties /var/lib/kafka/server.properties
echo "advertised.listeners=PLAINTEXT://kafka:9092,HOST://$SOSST_HOST_ADDRESS" >> /var/lib/kafka/server.properties
exec java "$@" -Dkafka.log.file=/var/lib/kafka/server.log -Dlog4j2.configurationFile=/opt/kafka/log4j2.properties \
    -cp '/opt/kafka/lib/*' kafka.Kafka /var/lib/kafka/server.properties
