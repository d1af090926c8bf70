#!/bin/bash
# Runs when the volume is empty, and again by hand changes nothing. A role owns the schema and migrates it; each role of
# the node logs in as one of its own, which may do that role's part and no more (dicom-node database grant).
set -euo pipefail
export SECRETS=${SECRETS:-/run/secrets}
LOGINS="owner index assemble relay work summarise write deliver retain forward seal serve operator auditor reader"
# Nobody logs in as this one: all in one is for a node whose processes share a login.
OTHERS="app"

statements() {
  local role
  for role in $LOGINS $OTHERS; do
    echo "SELECT 'CREATE ROLE dicom_node_$role' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dicom_node_$role') \\gexec"
  done
  for role in $LOGINS; do
    # psql reads the passwords itself, out of the URLs, so that they stand in no command line.
    echo "\\set password \`sed -E 's|^[^:]*://[^:]*:([^@]*)@.*|\\1|' \"\$SECRETS/database_$role\"\`"
    echo "ALTER ROLE dicom_node_$role LOGIN PASSWORD :'password';"
    # What a row was refused for would stand in the server's log, values included.
    echo "ALTER ROLE dicom_node_$role SET log_min_messages = fatal;"
  done
  for role in $LOGINS; do [[ $role == owner ]] || echo "GRANT dicom_node_$role TO dicom_node_app;"; done
}

{ statements; cat; } << 'SQL' | psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres
ALTER ROLE dicom_node_owner RESET log_min_messages;
ALTER ROLE dicom_node_app NOLOGIN;
GRANT dicom_node_reader TO dicom_node_operator;
-- The first migrations grant rights to the role of all, and may act as it.
GRANT dicom_node_app TO dicom_node_owner WITH ADMIN OPTION;
SELECT 'CREATE DATABASE dicom_node OWNER dicom_node_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'dicom_node') \gexec
REVOKE CONNECT, TEMPORARY ON DATABASE dicom_node FROM PUBLIC;
GRANT CONNECT ON DATABASE dicom_node TO dicom_node_app, dicom_node_index, dicom_node_assemble, dicom_node_relay,
  dicom_node_work, dicom_node_summarise, dicom_node_write, dicom_node_deliver, dicom_node_retain, dicom_node_seal,
  dicom_node_forward, dicom_node_serve, dicom_node_operator, dicom_node_auditor, dicom_node_reader;
SQL
