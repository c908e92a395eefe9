# First start: a cluster whose one account is POSTGRES_USER with the password that is in
# POSTGRES_PASSWORD_FILE, then each *.sql of /docker-entrypoint-initdb.d. Then serve.
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
    initdb --no-sync -D "$data" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    pg_ctl -D "$data" -w -o "-c listen_addresses=''" start >/dev/null
    createdb -U "$POSTGRES_USER" "$POSTGRES_USER"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        psql -v ON_ERROR_STOP=1 -q -U "$POSTGRES_USER" -f "$file"
    done
    pg_ctl -D "$data" -w stop >/dev/null
fi
exec postgres -D "$data" -c "listen_addresses=*"
