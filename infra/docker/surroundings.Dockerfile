# Topics as code and the sandboxes: what a suite needs around it. For development and tests only.
# docker run IMAGE infra.kafka apply --yes; docker run IMAGE infra.sandbox.provider run …

# Two stages as in service.Dockerfile, to the letter: the builder makes them once.
FROM python:3.11-slim-bookworm AS tools
WORKDIR /build
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/build.txt .
# A private certificate authority is a secret of the build: `--secret id=ca-bundle,src=FILE`; no layer keeps it.
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/var/cache/pip \
    if [ -e /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && python -m venv tools \
    && tools/bin/pip install -q --require-hashes -r build.txt

FROM tools AS shared
# What funding needs is what servicekit needs, and that every service and the surroundings need: installed once for all.
COPY requirements/funding.txt shared.txt
# Without pip: nothing in the image can install anything.
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/var/cache/pip \
    if [ -e /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && python -m venv --without-pip /opt/libraries \
    && tools/bin/pip --python /opt/libraries/bin/python install -q --require-hashes -r shared.txt

FROM shared AS libraries
COPY requirements/surroundings.txt own.txt
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/var/cache/pip \
    if [ -e /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && tools/bin/pip --python /opt/libraries/bin/python install -q --require-hashes -r own.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/libraries/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    PYTHONPATH=/srv:/srv/contracts/src:/srv/infra/servicekit/src
# Tools run from the root of the tree (decision 0013), also here.
WORKDIR /srv
# The sandboxes keep their books here; a volume takes over this folder with its owner. SQLite needs a
# place for journals of savepoints, and the root is read-only.
ENV SQLITE_TMPDIR=/var/lib/sandbox
RUN install -d -o 10001 -g 10001 /var/lib/sandbox
USER 10001:10001
ENTRYPOINT ["python", "-m"]
COPY --from=libraries /opt/libraries /opt/libraries
COPY contracts/topics contracts/topics
COPY contracts/src contracts/src
COPY infra/servicekit/src infra/servicekit/src
COPY infra/kafka infra/kafka
COPY infra/sandbox infra/sandbox
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sosst-surroundings" \
      org.opencontainers.image.vendor="SOSST" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm"
