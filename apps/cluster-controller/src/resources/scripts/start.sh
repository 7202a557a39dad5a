#!/bin/sh
# Starts the server, and first guards its data (docs/boot-guard.md): a primary that restarts in place with less data
# than its replicas would wipe its shard, because nodes.conf still calls it primary.
set -u
data=/data
port=6379
secrets=/etc/slotkeeper/internal
conf=/etc/slotkeeper/config/redis.conf
marker=$data/slotkeeper.marker
clean=$data/slotkeeper.clean
server=$(command -v valkey-server || command -v redis-server)
cli=$(command -v valkey-cli || command -v redis-cli)
# Process 1 has no default action for signals: without this a pod that waits could not be deleted in order.
trap 'exit 143' TERM INT

say() { echo "slotkeeper: $*"; echo "$*" > /dev/termination-log 2>/dev/null || true; }
manifest=$data/appendonlydir/appendonly.aof.manifest
has_aof() { [ -s "$manifest" ]; }
# After a full sync the old append-only file stays until it was written anew in the background (aof.c, startAppendOnly).
# While that is under way the server keeps a file of its own for what comes in meanwhile. When it failed and waits to be
# tried again, a sync by way of the disk leaves a dump.rdb that is younger, and the first one, from the wire, is told by a
# mark that the probe takes away once the file is whole.
underway=$data/appendonlydir/temp-appendonly.aof.incr
unwritten=$data/slotkeeper.unwritten
whole_aof() { has_aof && [ ! -e "$underway" ] && [ ! -f "$unwritten" ] && ! [ "$data/dump.rdb" -nt "$manifest" ]; }
has_rdb() { [ -s "$data/dump.rdb" ]; }
refuse() { say "VolumeHasOtherData: $*; nothing was touched"; exit 78; }

# A volume belongs to one cluster. Another cluster's data is neither served nor touched.
if [ -f "$marker" ]; then
  read -r owner rest < "$marker"
  [ "$owner" = "$SLOTKEEPER_CLUSTER_UID" ] || refuse "this volume holds data of the cluster with uid $owner"
elif [ -e "$data/nodes.conf" ] || has_aof || has_rdb; then
  refuse "this volume holds data that no marker claims"
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
  [ -f "$1" ] || return 0
  while read -r id address flags followed ping pong epoch link slots; do
    case "$flags" in *myself*) case "$flags" in *master*) [ -n "$slots" ] && echo "$id" ;; esac ;; esac
  done < "$1"
}

# What became of us by the rows of one view: replaced, heirs (somebody may hold newer data), alone, or nothing.
judge() {
  seen=""; owners=" "; sources=""
  while read -r id address flags followed ping pong epoch link slots; do
    if [ "$id" = "$me" ]; then
      seen=owner
      case "$flags" in *slave*) seen=replaced ;; esac
      [ -z "$slots" ] && [ "$seen" = owner ] && seen=slotless
    fi
    [ -n "$slots" ] && owners="$owners$id "
    case "$flags" in *slave*) sources="$sources $followed" ;; esac
  done
  case "$seen" in owner|slotless) ;; *) echo "$seen"; return ;; esac
  for one in $sources; do
    # Who follows a node without slots has not heard yet that we took them over: its data may be newer than ours.
    case "$owners" in *" $one "*) [ "$one" = "$me" ] || continue ;; esac
    echo heirs; return
  done
  # Without slots and without replicas it was replaced, or is known by hearsay only: nobody copies from it.
  [ "$seen" = slotless ] && echo replaced || echo alone
}

# Sends a peer a command, as the user of the probes.
send() {
  host=$1; shift
  REDISCLI_AUTH=$(cat "$secrets/probe-password") timeout 1 "$cli" --no-auth-warning --user slotkeeper-probe -h "$host" -p "$port" "$@" 2>&1
}

# Asks one peer for its view.
ask() { send "$1" CLUSTER NODES | judge; }

# What a replica of ours is now: follows (it holds data, and would copy our emptiness), gone (it does not), or unsure.
heir() {
  view=$(send "$1" CLUSTER NODES)
  case "$view" in *myself*) ;; *"onnection refused"*) echo gone; return ;; *) echo unsure; return ;; esac
  echo "$view" | while read -r id address flags followed rest; do
    case "$flags" in *myself*) ;; *) continue ;; esac
    [ "$followed" = "$me" ] || { echo gone; return; }
    case "$(send "$1" INFO keyspace)" in *db0:*) echo follows ;; *Keyspace*) echo gone ;; *) echo unsure ;; esac
  done
}

# The worst that our replicas say, by the file of the identity that was given up.
heirs_now() {
  worst=gone
  while read -r id address flags followed rest; do
    [ "$followed" = "$me" ] || continue
    host=${address%%@*}
    case "$(heir "${host%:*}")" in follows) echo follows; return ;; gone) ;; *) worst=unsure ;; esac
  done < "$data/nodes.conf.aside"
  echo "$worst"
}

# The first peer that knows us says; when none does, our own file must do.
verdict_of_peers() {
  while read -r id address flags followed ping pong epoch link slots; do
    case "$flags" in *myself*|*noaddr*|*handshake*) continue ;; esac
    case "$address" in *@*) host=${address%%@*} ;; *) continue ;; esac
    verdict=$(ask "${host%:*}")
    [ -n "$verdict" ] && echo "$verdict" && return
  done < "$data/nodes.conf"
  judge < "$data/nodes.conf"
}

began=$(date +%s)
patience=$((SLOTKEEPER_GUARD_ROUNDS / 5))

# A primary without a data file comes back empty, at the address that its replicas still copy from. While one of them does,
# and holds keys, the port stays closed: the others promote it. Of one that does not answer that is waited for a while.
me=""
[ "$fresh" = yes ] && me=$(was_primary "$data/nodes.conf.aside")
while [ -n "$me" ] && [ ! -f "$clean" ]; do
  state=$(heirs_now)
  [ "$state" = gone ] && break
  if [ "$patience" -ge 0 ] && [ $(($(date +%s) - began)) -ge "$patience" ]; then
    [ "$state" = unsure ] && break
    say "this node was a primary and kept no data, a replica still copies from it and would lose its own, and nobody promotes it: waiting with the port closed. To give its data up: create $clean in this container"
    patience=-1
  fi
  sleep 0.2
done

me=$(was_primary "$data/nodes.conf")
if [ -n "$me" ] && ! whole_aof; then
  while [ ! -f "$clean" ]; do
    case "$(verdict_of_peers)" in replaced|alone) break ;; esac
    if [ "$patience" -ge 0 ] && [ $(($(date +%s) - began)) -ge "$patience" ]; then
      say "this node was a primary and did not end in order, its data may be older than that of its replicas, and no peer shows that it was replaced: waiting with the port closed. If no replica can take over, and this data is the best there is: create $clean in this container"
      patience=-1
    fi
    sleep 0.2
  done
fi

rm -f "$clean" "$underway"
while read -r name value; do
  [ "$fresh$name$value" = yesappendonlyyes ] && : > "$unwritten"
done < "$conf"
set -- "$conf" --cluster-announce-ip "$SLOTKEEPER_POD_IP"
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
# A server that shut down in order has saved all it had, if it saves at all; an older file proves nothing.
saves=""
while read -r name value; do [ "$name" = save ] && saves=$value; done < "$conf"
[ "$code" = 0 ] && [ "$saves" != '""' ] && : > "$clean"
exit "$code"
