#!/usr/bin/env bash
# Installs this checkout as a service of systemd: the control plane, or an agent. Run it again to update. deploy/README.md tells more.
set -euo pipefail

usage() {
  cat >&2 <<'TEXT'
install.sh server [--advertise ADDRESS] [--port PORT]
install.sh agent --server HOST:PORT --token TOKEN [--name NAME]        (or PODPLANE_TOKEN in the environment, which ps does not show)
install.sh uninstall
TEXT
  exit 2
}

fail() {
  echo "error: $1" >&2
  [[ $# -lt 2 ]] || echo "$2" >&2
  exit 1
}

[[ $# -gt 0 ]] || usage
what=$1
shift
[[ $(id -u) -eq 0 ]] || fail "this must be run as root" "Try: sudo $0 $what ..."
[[ -d /run/systemd/system ]] || fail "systemd does not run here" "Run podplane $what by hand, or by what starts services on this machine."

if [[ $what == uninstall ]]; then
  for unit in podplane-server podplane-agent; do
    systemctl disable --now "$unit.service" 2>/dev/null || true
    rm -f "/etc/systemd/system/$unit.service"
  done
  systemctl daemon-reload
  rm -rf /opt/podplane /usr/local/bin/podplane
  echo "Removed. Data is still in /var/lib/podplane, settings in /etc/podplane; pods of this node go on running."
  exit 0
fi
[[ $what == server || $what == agent ]] || usage

advertise=$(hostname -I 2>/dev/null | awk '{print $1}')
port=6443
server=
token=${PODPLANE_TOKEN:-}
name=$(hostname | tr '[:upper:]' '[:lower:]')
while [[ $# -gt 0 ]]; do
  [[ $# -ge 2 ]] || usage
  case $1 in
    --advertise) advertise=$2 ;;
    --port) port=$2 ;;
    --server) server=$2 ;;
    --token) token=$2 ;;
    --name) name=$2 ;;
    *) usage ;;
  esac
  shift 2
done
if [[ $what == agent ]]; then
  command -v docker >/dev/null || PATH=$PATH:/usr/sbin command -v dockerd >/dev/null || fail "there is no Docker Engine here" "Debian, Ubuntu: apt-get install docker.io"
  [[ -n $server ]] || fail "--server is missing" "On the control plane, podplane token create prints the whole line."
  [[ -n $token || -s /var/lib/podplane/agent/node.json ]] || fail "--token is missing" "Make one on the control plane: podplane token create"
fi

root=$(cd "$(dirname "$0")/../.." && pwd)
[[ -f $root/packages/cli/dist/main.js && -d $root/node_modules ]] || fail "$root is not built yet" "Run there, as yourself: npm ci && npm run build"

# Side by side and then swapped, so that a running program never sees half of it.
rm -rf /opt/podplane.new
mkdir -p /opt/podplane.new /etc/podplane /var/lib/podplane
chmod 700 /etc/podplane /var/lib/podplane
# Root runs this: it must not stay in the hands of the user who built it.
cp -dR --preserve=mode,timestamps,links "$root/package.json" "$root/packages" "$root/node_modules" "$root/deploy" "$root/examples" /opt/podplane.new/
chmod -R go-w /opt/podplane.new
rm -rf /opt/podplane.old
[[ ! -d /opt/podplane ]] || mv /opt/podplane /opt/podplane.old
mv /opt/podplane.new /opt/podplane
rm -rf /opt/podplane.old

cat >/usr/local/bin/podplane <<'LAUNCHER'
#!/bin/sh
[ -n "${PODPLANE_CONTEXT:-}" ] || [ ! -r /etc/podplane/context.json ] || export PODPLANE_CONTEXT=/etc/podplane/context.json
exec /opt/podplane/node_modules/node/bin/node /opt/podplane/packages/cli/bin/podplane.js "$@"
LAUNCHER
chmod 755 /usr/local/bin/podplane

umask 077
if [[ $what == server ]]; then
  printf 'PODPLANE_PORT=%s\nPODPLANE_ADVERTISE=%s\n' "$port" "$advertise" >/etc/podplane/server.env
else
  printf 'PODPLANE_SERVER=%s\nPODPLANE_NODE=%s\nPODPLANE_TOKEN=%s\n' "$server" "$name" "$token" >/etc/podplane/agent.env
fi
umask 022
install -m 644 "$root/deploy/systemd/podplane-$what.service" /etc/systemd/system/
systemctl daemon-reload
systemctl enable "podplane-$what.service"
systemctl restart "podplane-$what.service"
sleep 2
systemctl is-active --quiet "podplane-$what.service" || fail "podplane-$what.service does not run" "See why: journalctl -u podplane-$what -n 50"
echo "podplane-$what.service runs. Its log: journalctl -fu podplane-$what"
