FROM python:3.13-slim-bookworm AS build
WORKDIR /srv
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
# EMBEDDED: no secret is needed to build, and none gets into the image.
RUN EMBEDDED=1 LOG_DIR=/tmp STATE_DIR=/tmp flask --app wsgi assets build \
    && python -m compileall -q webapp


FROM python:3.13-slim-bookworm
WORKDIR /srv
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv /srv
# pg_dump and pg_restore, for `flask backup`: of the same major version as compose.yaml's server.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --no-create-home service \
    && install -d -o service -g service -m 700 instance uploads logs
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
USER service
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["gunicorn", "wsgi:app"]
