# Any one of the four services: docker build -f infra/docker/service.Dockerfile --build-arg SERVICE=funding .
# Ordered from what changes seldom to what changes often; the last two layers are all that a code change makes.

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
ARG SERVICE
COPY requirements/${SERVICE}.txt own.txt
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/var/cache/pip \
    if [ -e /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi \
    && tools/bin/pip --python /opt/libraries/bin/python install -q --require-hashes -r own.txt

FROM tools AS wheels
ARG SERVICE
COPY contracts contracts
COPY infra/servicekit servicekit
COPY services/${SERVICE} service
RUN tools/bin/pip wheel -q --no-deps --no-index --no-build-isolation \
      --wheel-dir wheels ./contracts ./servicekit ./service \
    && tools/bin/pip install -q --no-deps --no-index --target /ours wheels/*.whl

FROM python:3.11-slim-bookworm
ARG SERVICE
ENV PATH=/opt/libraries/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SERVICE=${SERVICE}
COPY infra/docker/entrypoint.sh infra/docker/probe.py /usr/local/lib/sosst/
# Where a volume may be put for what a service keeps beside its database: files of updates.
RUN install -d -o 10001 -g 10001 /var/lib/${SERVICE}
USER 10001:10001
ENTRYPOINT ["/bin/sh", "/usr/local/lib/sosst/entrypoint.sh"]
CMD ["run"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=6 \
    CMD ["python", "/usr/local/lib/sosst/probe.py"]
COPY --from=libraries /opt/libraries /opt/libraries
COPY --from=wheels /ours /opt/libraries/lib/python3.11/site-packages
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sosst-${SERVICE}" \
      org.opencontainers.image.vendor="SOSST" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm"
