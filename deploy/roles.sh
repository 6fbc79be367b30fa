#!/bin/sh
# Run once by PostgreSQL's image on an empty volume: the services' login roles, each with the password of its own.
set -eu
for service in intake routing notify; do
  psql --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set=ON_ERROR_STOP=1 \
    --set=role="tocsin_$service" --set=password="$(cat "/run/secrets/${service}_password")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
done
