#!/bin/sh
# Starts the PostgreSQL of a node in a container: makes the data directory at the first start, listens on a Unix socket
# alone, lets nobody in but the roles of bibd, each with its password. No setting of bibd points at a server outside of
# itself yet: the image bib/bibd has its own PostgreSQL and does not need this one.
#
#   /var/lib/bib-postgres        volume: the data
#   /run/bib-postgres            volume: the socket, to be shared with bibd; whoever enters it still needs a password
#   /run/secrets/bib-postgres    the password of the role bibd_admin_a; read at the first start only
set -eu
umask 077

base=/var/lib/bib-postgres
data=$base/data
socket=/run/bib-postgres
secret=${BIB_POSTGRES_PASSWORD_FILE:-/run/secrets/bib-postgres}

if [ ! -d "$data" ]; then
    if [ ! -s "$secret" ]; then
        echo "bib-postgres: $secret is missing or empty: mount the first password of bibd_admin_a there" >&2
        exit 1
    fi
    # the data directory appears under its name only when it is whole
    rm -rf "$data.new"
    initdb --pgdata="$data.new" --username=bibd_admin_a --pwfile="$secret" --data-checksums \
        --auth=reject --encoding=UTF8 --locale=C --no-instructions
    mv "$data.new" "$data"
    sync "$base"
fi

logins=bibd_admin_a,bibd_admin_b
for role in node scrape query transform admin_jobs audit; do logins=$logins,bibd_${role}_a,bibd_${role}_b; done
cat >"$data/pg_hba.conf" <<RULES
# Written at every start: changes are lost.
# type  database     user  method
local   postgres     bibd_admin_a,bibd_admin_b  scram-sha-256
local   bib          $logins  scram-sha-256
local   replication  all  reject
local   all          all  reject
host    all          all  all  reject
RULES

exec postgres -D "$data" \
    -c listen_addresses= \
    -c unix_socket_directories="$socket" \
    -c unix_socket_permissions=0700 \
    -c port=5432 \
    -c ssl=off \
    -c password_encryption=scram-sha-256 \
    -c authentication_timeout=10s \
    -c max_connections="${BIB_POSTGRES_MAX_CONNECTIONS:-100}" \
    -c max_wal_senders=0 \
    -c jit=off \
    -c logging_collector=off \
    -c log_statement=none \
    -c log_min_error_statement=panic \
    -c log_error_verbosity=terse \
    -c log_parameter_max_length=0 \
    -c log_parameter_max_length_on_error=0 \
    -c timezone=UTC \
    -c log_timezone=UTC \
    -c cluster_name=bibd
