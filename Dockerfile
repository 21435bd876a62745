FROM python:3.11-slim AS build
WORKDIR /app
COPY pyproject.toml constraints.txt LICENSE README.md ./
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir "torch==2.13.0" --index-url https://download.pytorch.org/whl/cpu \
 && /venv/bin/pip install --no-cache-dir -c constraints.txt '.[syntax]'

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 whetstone && mkdir /data && chown whetstone /data
COPY --from=build /venv /venv
WORKDIR /app
COPY --chown=whetstone . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data HF_HUB_OFFLINE=1 GOMP_SPINCOUNT=1000 STATIC_ROOT=/app/static
RUN WHETSTONE_ENV=production ALLOWED_HOSTS=build SECRET_KEY=used-only-while-the-image-is-built-and-never-to-sign-anything \
    python manage.py collectstatic --noinput --verbosity 0
USER whetstone
VOLUME /data
EXPOSE 8000 8001
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "30", "--no-control-socket"]
