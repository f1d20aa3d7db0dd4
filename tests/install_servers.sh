#!/bin/sh
# Installs what the tests of live databases start (MariaDB, PostgreSQL), the browser, Go, which renders Ollama's templates,
# faketime, which makes a process's clock jump, and node-llama-cpp, a second build of llama.cpp, where the machine lacks
# them and this may be done (programs on Debian or Ubuntu, as root). Elsewhere the tests that need them skip and say so.
set -eu
missing=
command -v mariadbd >/dev/null || missing="$missing mariadb-server"
command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v chromium >/dev/null || missing="$missing chromium"
command -v go >/dev/null || missing="$missing golang-go"
command -v faketime >/dev/null || missing="$missing faketime"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "not installed, so their tests skip:$missing"
    fi
fi

cd "$(dirname "$0")/node"
case "$(uname -sm)" in
    "Linux x86_64") binary=linux-x64 ;;
    "Linux aarch64") binary=linux-arm64 ;;
    "Darwin arm64") binary=mac-arm64-metal ;;
    *) binary= ;;
esac
if [ -n "$binary" ] && command -v npm >/dev/null && [ ! -d "node_modules/@node-llama-cpp/$binary" ]; then
    # Its optional packages are builds for other machines and GPUs, 700 MB of them.
    npm install --silent --omit=optional --ignore-scripts --no-package-lock --no-save --no-audit --no-fund . \
        "@node-llama-cpp/$binary@$(sed -n 's/.*"node-llama-cpp": "\(.*\)".*/\1/p' package.json)" ||
        echo "npm cannot fetch node-llama-cpp, so its tests skip"
fi
