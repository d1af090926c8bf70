#!/bin/bash
# Runs once, when the volume is empty. Two roles: one owns the schema and migrates it, the node works as the other one,
# which owns nothing and can change no trail entry, whatever happens to the node.
set -euo pipefail
export SECRETS=${SECRETS:-/run/secrets}

# psql reads the passwords itself, so that they stand in no command line.
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres << 'SQL'
\set owner_password `cat "$SECRETS/postgres_owner"`
\set app_password `cat "$SECRETS/postgres_app"`
CREATE ROLE dicom_node_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE dicom_node_app LOGIN PASSWORD :'app_password';
-- What a row was refused for would stand in the server's log, values included.
ALTER ROLE dicom_node_app SET log_min_messages = fatal;
-- Migrations grant rights to the application's role and may act as it.
GRANT dicom_node_app TO dicom_node_owner WITH ADMIN OPTION;
CREATE DATABASE dicom_node OWNER dicom_node_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE dicom_node FROM PUBLIC;
GRANT CONNECT ON DATABASE dicom_node TO dicom_node_app;
SQL
