# The server image: web, worker and beat are the same image with different commands (see docker-compose.yml).
FROM node:22-bookworm-slim AS assets
WORKDIR /build/hardcases/frontend
COPY hardcases/frontend/package.json hardcases/frontend/package-lock.json hardcases/frontend/.npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY hardcases/frontend/ ./
RUN npm run build

FROM python:3.11-slim-bookworm
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/hardcases/bin:$PATH HARDCASES_DATA_DIR=/data
WORKDIR /app
COPY requirements/uv.txt requirements/server.txt requirements/
RUN python -m venv /opt/tools \
 && /opt/tools/bin/pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
 && /opt/tools/bin/uv venv /opt/hardcases \
 && /opt/tools/bin/uv pip sync --no-cache --python /opt/hardcases/bin/python --require-hashes requirements/server.txt
COPY manage.py pyproject.toml README.md LICENSE ./
COPY hardcases/ hardcases/
COPY evaluation/ evaluation/
COPY templates/ templates/
COPY --from=assets /build/hardcases/static/hardcases/js/ hardcases/static/hardcases/js/
RUN /opt/tools/bin/uv pip install --no-cache --python /opt/hardcases/bin/python --no-deps --no-build-isolation --editable . \
 && useradd --system --uid 10001 --home-dir /data hardcases \
 && install -d -m 0700 -o hardcases -g hardcases /data
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["gunicorn", "hardcases.config.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "4"]
