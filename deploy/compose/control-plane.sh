#!/bin/sh
# The control plane's container: the server, and beside it the token that the nodes of the compose file join with.
set -eu
umask 077
# What nodes may see. The administrator's context is not there: a node that was broken into must not rule the cluster.
SHARED=/shared
rm -f "$SHARED/join-token"

podplane server --data /data --address 0.0.0.0 --port 6443 --advertise "${PODPLANE_ADVERTISE:-control-plane}" --context-file /data/context.json &
SERVER=$!
trap 'kill -TERM "$SERVER" 2>/dev/null; wait "$SERVER"; exit 0' TERM INT

# Nodes that have joined do not need it any more; those that come later do.
until podplane token create --quiet --ttl 8760h "docker compose" >"$SHARED/join-token.new" 2>/dev/null; do
  kill -0 "$SERVER" 2>/dev/null || { wait "$SERVER"; exit $?; }
  sleep 0.2
done
mv "$SHARED/join-token.new" "$SHARED/join-token"
wait "$SERVER"
