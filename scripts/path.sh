# Puts what the tests start on the PATH. To be sourced at the root of the repository.

# Debian keeps PostgreSQL's programs in a directory per version, and daemons where only root looks.
postgresql=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH="$PATH:/usr/sbin${postgresql:+:$postgresql}"
# PostgreSQL refuses to run as root, see scripts/as-postgres/sudo.
if [ "$(id -u)" = 0 ]; then
    PATH="$PWD/scripts/as-postgres:$PATH"
fi
export PATH
