FROM python:3.14-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/clorp
# Before our own code, so that a change there leaves this layer as it is. Wheels only: no compilers.
COPY requirements-server.lock ./
RUN pip --python /opt/clorp/bin/python install --only-binary :all: --require-hashes -r requirements-server.lock
# What builds our wheel stays behind in this stage.
COPY requirements-build.lock ./
RUN pip install --only-binary :all: --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE celeryconfig.py ./
COPY models models
COPY web web
COPY workers workers
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/clorp/bin/python install --no-deps dist/*.whl

FROM python:3.14-slim
# The number is fixed so that volumes and Kubernetes' runAsNonRoot can rely on it.
RUN groupadd --gid 10001 clorp \
    && useradd --uid 10001 --gid clorp --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin clorp
# A new volume takes its owner and mode from here.
RUN install --directory --owner clorp --group clorp --mode 700 /data /data/uploads
COPY --from=build /opt/clorp /opt/clorp
# The wheels were compiled to bytecode when they were installed; there is nothing left to write.
ENV PATH=/opt/clorp/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /srv
EXPOSE 8000
CMD ["gunicorn", "-c", "python:web.serving", "--bind", "0.0.0.0:8000", "web.app:create_app()"]
