#!/bin/sh
# Starts the server, and first guards its data (docs/boot-guard.md): a primary that restarts in place with less data
# than its replicas would wipe its shard, because nodes.conf still calls it primary.
set -u
data=/data
port=6379
secrets=/etc/slotkeeper/internal
marker=$data/slotkeeper.marker
clean=$data/slotkeeper.clean
server=$(command -v valkey-server || command -v redis-server)
cli=$(command -v valkey-cli || command -v redis-cli)

say() { echo "slotkeeper: $*"; echo "$*" > /dev/termination-log 2>/dev/null || true; }
has_aof() { [ -s "$data/appendonlydir/appendonly.aof.manifest" ]; }
has_rdb() { [ -s "$data/dump.rdb" ]; }

# A volume belongs to one cluster. Another cluster's data is neither served nor touched.
if [ -f "$marker" ]; then
  read -r owner rest < "$marker"
  if [ "$owner" != "$SLOTKEEPER_CLUSTER_UID" ]; then
    say "VolumeHasOtherData: this volume holds data of the cluster with uid $owner; nothing was touched"
    sleep 30 & wait $!
    exit 78
  fi
elif [ -e "$data/nodes.conf" ] || has_aof || has_rdb; then
  say "VolumeHasOtherData: this volume holds data that no marker claims; nothing was touched"
  sleep 30 & wait $!
  exit 78
else
  echo "$SLOTKEEPER_CLUSTER_UID $SLOTKEEPER_SHARD live" > "$marker.new" && mv "$marker.new" "$marker"
fi

# No data file: no identity either. An empty server must not come back under the name of one that had data.
fresh=no
if [ ! -f "$data/nodes.conf" ]; then
  fresh=yes
elif ! has_aof && ! has_rdb; then
  mv "$data/nodes.conf" "$data/nodes.conf.aside"
  fresh=yes
fi

# What this node was when it stopped, by its own file: its id if it was a primary with slots, else nothing.
was_primary() {
  [ -f "$data/nodes.conf" ] || return 0
  while read -r id address flags followed ping pong epoch link slots; do
    case "$flags" in *myself*) case "$flags" in *master*) [ -n "$slots" ] && echo "$id" ;; esac ;; esac
  done < "$data/nodes.conf"
}

# Asks one peer what became of us: replaced, alone (nobody holds our data), heirs (somebody might), or nothing.
ask() {
  REDISCLI_AUTH=$(cat "$secrets/probe-password") timeout 1 "$cli" --no-auth-warning --user slotkeeper-probe -h "$1" -p "$port" CLUSTER NODES 2>/dev/null | {
    seen=no; heirs=no; verdict=""
    while read -r id address flags followed ping pong epoch link slots; do
      if [ "$id" = "$me" ]; then
        seen=yes
        case "$flags" in *slave*) verdict=replaced ;; esac
        [ -z "$slots" ] && verdict=replaced
      fi
      [ "$followed" = "$me" ] && heirs=yes
    done
    [ "$seen" = no ] && exit 0
    if [ -n "$verdict" ]; then echo "$verdict"; elif [ "$heirs" = yes ]; then echo heirs; else echo alone; fi
  }
}

me=$(was_primary)
if [ -n "$me" ] && ! has_aof && [ ! -f "$clean" ]; then
  waited=0
  while :; do
    verdict=""
    while read -r id address flags followed ping pong epoch link slots; do
      case "$flags" in *myself*|*noaddr*|*handshake*) continue ;; esac
      case "$address" in *@*) host=${address%%:*} ;; *) continue ;; esac
      verdict=$(ask "$host")
      [ -n "$verdict" ] && break
    done < "$data/nodes.conf"
    case "$verdict" in replaced|alone) break ;; esac
    waited=$((waited + 1))
    [ "$waited" = "$SLOTKEEPER_GUARD_ROUNDS" ] && say "this node was a primary, its data may be older than that of its replicas, and no peer shows that it was replaced: waiting with the port closed"
    sleep 0.2
  done
fi

rm -f "$clean"
set -- /etc/slotkeeper/config/redis.conf --cluster-announce-ip "$SLOTKEEPER_POD_IP"
# A replica that never finished a sync must not be elected; the controller lifts this after the first one.
[ "$fresh" = yes ] && set -- "$@" --cluster-replica-no-failover yes
"$server" "$@" &
child=$!
trap 'kill -TERM $child 2>/dev/null' TERM INT
code=0
while :; do
  wait "$child"; code=$?
  kill -0 "$child" 2>/dev/null || break
done
# A server that shut down in order has saved all it had: its data is complete.
[ "$code" = 0 ] && : > "$clean"
exit "$code"
