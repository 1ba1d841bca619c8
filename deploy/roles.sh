#!/bin/sh
# Run once, by whoever owns the cluster: one role owns the tables and migrates, another serves and can't drop a trigger.
# Needs PORTAL_OWNER_PASSWORD and PORTAL_DATABASE_PASSWORD; PGHOST, PGPORT and PGUSER say where, as for psql.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --quiet --dbname postgres <<'SQL'
\getenv owner_password PORTAL_OWNER_PASSWORD
\getenv password PORTAL_DATABASE_PASSWORD
CREATE ROLE portal_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE portal LOGIN PASSWORD :'password';
-- Of the role, not of the session: a pooler in between keeps them.
ALTER ROLE portal SET statement_timeout = '30s';
ALTER ROLE portal SET lock_timeout = '10s';
ALTER ROLE portal SET idle_in_transaction_session_timeout = '60s';
CREATE DATABASE portal OWNER portal_owner;
\connect portal
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portal;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner GRANT USAGE ON SEQUENCES TO portal;
SQL
