#!/bin/sh
# Started as root, give the broker its data folder (PUID and PGID choose other ids); then run the
# command.
set -e
if [ "$(id -u)" = 0 ] && [ -d /mosquitto/data ]; then
    chown -R "${PUID:-1883}:${PGID:-1883}" /mosquitto/data || true
fi
exec "$@"
