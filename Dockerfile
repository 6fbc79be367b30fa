# One image: the three services and the command. What runs in it is said by compose.yaml.
FROM python:3.11-slim AS build

WORKDIR /build
COPY requirements/services.txt requirements/services.txt
RUN python -m venv /venv \
 && /venv/bin/python -m pip install --no-cache-dir --require-hashes --no-deps -r requirements/services.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY schemas schemas
COPY services services
RUN /venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim

RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin tocsin
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 TOCSIN_LOG_FORMAT=json
USER 10001:10001
CMD ["tocsin", "--help"]
