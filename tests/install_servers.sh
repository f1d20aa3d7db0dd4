#!/bin/sh
# Installs what the tests of live databases start (MariaDB, PostgreSQL), the browser and Go, which renders Ollama's
# templates, where the machine lacks them and this may be done (Debian or Ubuntu, as root). Elsewhere the tests that need
# them skip and say so.
set -eu
missing=
command -v mariadbd >/dev/null || missing="$missing mariadb-server"
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v chromium >/dev/null || missing="$missing chromium"
command -v go >/dev/null || missing="$missing golang-go"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed, so their tests skip:$missing"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
