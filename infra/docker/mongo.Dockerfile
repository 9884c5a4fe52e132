# mongod for tests, the native stack's verified program; images.py gathers the context, the tests give the options.
FROM python:3.11-slim-bookworm
RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends libcurl4 liblzma5 libssl3 >/dev/null \
    && rm -rf /var/lib/apt/lists/*
RUN install -d -o 10001 -g 10001 /var/lib/mongo
COPY mongod /usr/local/bin/mongod
USER 10001:10001
ENTRYPOINT ["mongod", "--dbpath", "/var/lib/mongo", "--port", "27017"]
