# Apache Kafka for tests, from the native stack's verified jars; images.py gathers the context.
# Clients in the containers' network say kafka:9092, those on the host SOSST_HOST_ADDRESS, which is port 9094 in here.
FROM python:3.11-slim-bookworm
# The folder is missing in slim images, and the JRE's installation links into it.
RUN mkdir -p /usr/share/man/man1 \
    && apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends openjdk-17-jre-headless >/dev/null \
    && rm -rf /var/lib/apt/lists/*
COPY lib /opt/kafka/lib
COPY kafka.properties log4j2.properties kafka.sh /opt/kafka/
RUN install -d -o 10001 -g 10001 /var/lib/kafka
USER 10001:10001
# Formatting costs a start of Java, once per image.
RUN java -Dkafka.log.file=/dev/null -Dlog4j2.configurationFile=/opt/kafka/log4j2.properties -cp '/opt/kafka/lib/*' \
    kafka.tools.StorageTool format --cluster-id=sosst-containers --standalone -c /opt/kafka/kafka.properties
ENTRYPOINT ["/bin/sh", "/opt/kafka/kafka.sh"]
