# Topics as code and the sandboxes: what a suite needs around it. For development and tests only.
# docker run IMAGE infra.kafka apply --yes; docker run IMAGE infra.sandbox.provider run …

FROM python:3.11-slim-bookworm AS libraries
WORKDIR /build
ENV PIP_CACHE_DIR=/var/cache/pip PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/surroundings.txt .
# The private certificate authority of service.Dockerfile.
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/var/cache/pip \
    if [ -e /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && python -m venv tools && python -m venv --without-pip /opt/surroundings \
    && tools/bin/pip --python /opt/surroundings/bin/python install -q --require-hashes -r surroundings.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/surroundings/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    PYTHONPATH=/srv:/srv/contracts/src:/srv/infra/servicekit/src
# Tools run from the root of the tree (decision 0013), also here.
WORKDIR /srv
# The sandboxes keep their books here; a volume takes over this folder with its owner. SQLite needs a
# place for journals of savepoints, and the root is read-only.
ENV SQLITE_TMPDIR=/var/lib/sandbox
RUN install -d -o 10001 -g 10001 /var/lib/sandbox
USER 10001:10001
ENTRYPOINT ["python", "-m"]
COPY --from=libraries /opt/surroundings /opt/surroundings
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
