#!/bin/sh
# A node's container: a Docker Engine of its own, the images of the examples in it, and the agent. Works without --privileged, with all
# capabilities but SYS_RESOURCE (deploy/README.md says which settings that needs).
set -eu

# Left by a container that was killed.
rm -f /run/docker.pid /var/run/docker.pid /run/docker/containerd/containerd.pid /run/containerd/containerd.pid

# Without --privileged Docker mounts these read-only; the engine inside must write to them. A bind remount is what changes only ours.
writable() { mount -o remount,bind,rw "$1" 2>/dev/null || true; }
writable /sys
writable /proc/sys
while read -r _ point type _; do
  case $type in cgroup | cgroup2) writable "$point" ;; esac
done </proc/mounts

# cgroup v2: controllers can be handed down only from a group that has no processes itself.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true; done </sys/fs/cgroup/cgroup.procs
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
  done
fi

dockerd --host=unix:///var/run/docker.sock --bridge=none --userland-proxy=false ${DOCKERD_EXTRA:-} >/var/log/dockerd.log 2>&1 &
DOCKERD=$!
AGENT=
STOPPING=
stop() {
  STOPPING=1
  [ -z "$AGENT" ] || { kill -TERM "$AGENT" 2>/dev/null && wait "$AGENT"; } || true
  kill -TERM "$DOCKERD" 2>/dev/null && wait "$DOCKERD" || true
  exit 0
}
trap stop TERM INT

tries=0
until docker version >/dev/null 2>&1; do
  kill -0 "$DOCKERD" 2>/dev/null || { echo "The Docker Engine of this node ended:"; tail -20 /var/log/dockerd.log; exit 1; }
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || { echo "The Docker Engine of this node does not answer:"; tail -20 /var/log/dockerd.log; exit 1; }
  sleep 0.1
done

/opt/podplane/node_modules/node/bin/node /opt/podplane/deploy/setup/example-image.mjs || echo "The images of the examples could not be made; they can be brought by podplane image load."

# The agent is started again when it ends, as a service manager would.
while [ -z "$STOPPING" ]; do
  PODPLANE_TOKEN=
  while [ ! -s /shared/join-token ] && [ ! -s /var/lib/podplane/node.json ]; do sleep 0.1; done
  [ ! -s /shared/join-token ] || PODPLANE_TOKEN=$(cat /shared/join-token)
  export PODPLANE_TOKEN
  podplane agent --data /var/lib/podplane --name "${NODE_NAME:-$(hostname)}" --server "${PODPLANE_SERVER:-control-plane:6443}" &
  AGENT=$!
  wait "$AGENT" || echo "The agent ended with exit code $?; it is started again."
  AGENT=
  [ -n "$STOPPING" ] || sleep 1
done
