# A PostgreSQL server for the tests that ask for TEST_POSTGRES_URL: an empty one in a temporary folder, reachable from this
# machine only. The cluster that a distribution sets up is not touched, and none is made should the package be installed here.

postgres_programs() { dirname "$(command -v initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)"; }
if [[ ! -x "$(postgres_programs)/initdb" ]]; then
    if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
        as_root mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    debian_packages initdb postgresql
fi
debian_packages openssl openssl

# Not below $scratch, which only we may enter: PostgreSQL refuses to be run by root.
postgres="$(mktemp -d)"
at_exit "rm -rf '$postgres'"
as_postgres() { (cd "$postgres" && "$@"); }
if [[ $(id -u) == 0 ]]; then
    postgres_user="$(getent passwd postgres >/dev/null && echo postgres || echo nobody)"
    as_postgres() { (cd "$postgres" && runuser -u "$postgres_user" -- "$@"); }
fi

# A certificate for the server, by an authority of our own.
openssl_quietly() { (cd "$postgres" && openssl "$@" 2>/dev/null); }
openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
    -subj "/CN=An authority for tests" -days 2
openssl_quietly req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj "/CN=localhost"
printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\n' >"$postgres/server.ext"
openssl_quietly x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -out server.pem -days 2
chmod 600 "$postgres/server.key"
# What only a password with odd characters finds, and what only text that is not sorted byte by byte does.
printf 's3cret/@#' >"$postgres/password"
if [[ -n "${postgres_user:-}" ]]; then chown -R "$postgres_user" "$postgres"; fi
as_postgres "$(postgres_programs)/initdb" --pgdata=data --username=outlay --auth=scram-sha-256 --pwfile=password \
    --encoding=UTF8 --locale=C --locale-provider=icu --icu-locale=en-US --no-sync >"$scratch/initdb.log" \
    || { cat "$scratch/initdb.log" >&2; exit 1; }

postgres_port="$(free_port)"
cat >>"$postgres/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $postgres_port
unix_socket_directories = ''
max_connections = 300
fsync = off
ssl = on
ssl_cert_file = '$postgres/server.pem'
ssl_key_file = '$postgres/server.key'
CONF
at_exit "as_postgres '$(postgres_programs)/pg_ctl' --pgdata=data --mode=immediate stop"
as_postgres "$(postgres_programs)/pg_ctl" --pgdata=data --log=log --wait --timeout=60 start >/dev/null \
    || { cat "$postgres/log" >&2; exit 1; }

export TEST_POSTGRES_URL="postgres://outlay:s3cret%2F%40%23@127.0.0.1:$postgres_port/postgres"
export TEST_POSTGRES_CA="$postgres/ca.pem"
