#!/bin/sh
# Starts the server, and first guards its data (docs/boot-guard.md): a primary that restarts in place with less data
# than its replicas would wipe its shard, because nodes.conf still calls it primary.
set -uf
data=/data
port=6379
secrets=/etc/slotkeeper/internal
conf=/etc/slotkeeper/config/redis.conf
peers=/etc/slotkeeper/config/peers
marker=$data/slotkeeper.marker
clean=$data/slotkeeper.clean
ended=$data/slotkeeper.ended
server=$(command -v valkey-server || command -v redis-server)
cli=$(command -v valkey-cli || command -v redis-cli)
# Process 1 has no default action for signals: without this a pod that waits could not be deleted in order.
trap 'exit 143' TERM INT

say() { echo "slotkeeper: $*"; echo "$*" > /dev/termination-log 2>/dev/null || true; }
has_aof() { [ -s "$data/appendonlydir/appendonly.aof.manifest" ]; }
# After a full sync the old append-only file stays until it was written anew in the background (aof.c, startAppendOnly), and
# nothing in it tells. So it is whole only where the probe has seen that it was, and no sync has come since: one leaves
# another dump.rdb, or a file of its own for what comes in while the other is written.
underway=$data/appendonlydir/temp-appendonly.aof.incr
whole=$data/slotkeeper.whole
last_sync() { stat -c '%s %y' "$data/dump.rdb" 2>/dev/null || echo none; }
whole_aof() {
  has_aof && [ ! -e "$underway" ] && [ -f "$whole" ] && [ "$(cat "$whole")" = "$(last_sync)" ]
}
has_rdb() { [ -s "$data/dump.rdb" ]; }
refuse() { say "VolumeHasOtherData: $*; nothing was touched"; exit 78; }

# Marks the volume as ours: in what state, and after it the clusters that it was taken over from. On the disk before anything
# follows from it: of a marker that is there by half nobody could tell whose data this is.
mark() {
  { echo "$SLOTKEEPER_CLUSTER_UID $SLOTKEEPER_SHARD $*" > "$marker.new" && to_disk "$marker.new" && mv "$marker.new" "$marker" && to_disk "$data"; } ||
    { say "the marker of this volume cannot be written"; exit 1; }
}
to_disk() { sync "$1" 2>/dev/null || sync; }
claim() { mark live ${adopted:-}; }
# What the server's configuration says of a setting.
setting() {
  value=""
  while read -r name rest; do [ "$name" = "$1" ] && value=$rest; done < "$conf"
  echo "$value"
}

# Sends a peer a command, as the user of the probes.
send() {
  host=$1; shift
  REDISCLI_AUTH=$(cat "$secrets/probe-password") timeout 2 "$cli" --no-auth-warning --user slotkeeper-probe -h "$host" -p "$port" "$@" 2>&1
}

# Where the server of this volume ran before, if it still does. The pod of one that was deleted by force may live on for a
# while beside the pod that replaces it, on the same volume: what it is sent would be missing here. One of ours answers
# under our name; one of the cluster that left this volume knows none of our passwords, but keeps its bus port open.
predecessor() {
  [ -f "$data/nodes.conf" ] && [ ! -f "$ended" ] || return
  while read -r id address flags rest; do
    case "$flags" in *myself*) ;; *) continue ;; esac
    host=${address%%@*}; host=${host%:*}
    [ -n "$host" ] && [ "$host" != "$SLOTKEEPER_POD_IP" ] || return
    bus=${address#*@}; bus=${bus%%[!0-9]*}
    if [ "$bus" != "$(setting cluster-port)" ]; then
      is_open "$host" "$bus" && echo "$host"
      return
    fi
    send "$host" CLUSTER NODES | while read -r one where what rest; do
      case "$what" in *myself*) [ "$one" = "$id" ] && echo "$host" ;; esac
    done
    return
  done < "$data/nodes.conf"
}
# Does anything take connections there? What is no word of the bus it answers by hanging up.
is_open() { case "$(timeout 2 "$cli" -h "$1" -p "$2" PING 2>&1)" in ""|*"ould not connect"*) return 1 ;; esac; }
await_predecessor() {
  told=no
  while host=$(predecessor); [ -n "$host" ]; do
    [ "$told" = no ] && say "the server that this volume belongs to still runs at $host: waiting for its end"
    told=yes
    sleep 0.1
  done
}

# A volume that a restore has filled is taken over if it is whole and meant for us. The server would come up empty, and with
# its slots, if what it reads were not there: it does not look at an RDB file where it appends to a file.
take_over() {
  restore=${SLOTKEEPER_RESTORE_UID:-}
  [ "$owner" = "$restore" ] || refuse "this volume was filled by the restore with uid $owner, which this cluster is not made of"
  [ "$state" = seeded ] || refuse "the restore with uid $owner has begun to fill this volume, and has not finished"
  [ "$place" = "$SLOTKEEPER_SHARD" ] || refuse "this volume was filled for shard $place, and this is shard $SLOTKEEPER_SHARD"
  [ -s "$data/nodes.conf" ] || refuse "the restore with uid $owner left no nodes.conf here"
  if [ "$(setting appendonly)" = yes ]; then
    has_aof || refuse "the restore with uid $owner left no append-only file here, and this server reads no other"
    # Nobody else has written to it, so what the probe would note is known.
    last_sync > "$whole"
  else
    has_rdb || refuse "the restore with uid $owner left no RDB file here, and this server reads no other"
  fi
  claim
}

# What another cluster left is taken over as it is: in its place, for a server that reads it, of a cluster of as many shards.
# Nobody but this shard's servers would be asked for what is on it, and one that does not read it would serve its slots empty.
adopt_volume() {
  them="the cluster with uid $owner"
  [ "$state" = live ] || refuse "$them had begun to give up what is on this volume: there is nothing to take over"
  [ "$place" = "$SLOTKEEPER_SHARD" ] || refuse "this volume is one of shard $place of $them, and this is shard $SLOTKEEPER_SHARD"
  if [ "$(setting appendonly)" = yes ]; then
    has_rdb && ! has_aof && refuse "$them kept an RDB file, which this server would not read: delete this cluster and create it with storage.persistence rdb"
  else
    has_aof && refuse "$them kept an append-only file, which this server would not read: delete this cluster and create it with storage.persistence aof"
  fi
  had_as_many_shards
  adopted="$owner $former"
  claim
}

# As many primaries own slots there as there are shards now, or some of theirs owned none.
had_as_many_shards() {
  owners=0; all=0
  [ -f "$data/nodes.conf" ] || return 0
  while read -r id address flags followed ping pong era link slots; do
    case "$flags" in *handshake*) continue ;; *master*) all=$((all + 1)) ;; *) continue ;; esac
    case "$slots" in [0-9]*) owners=$((owners + 1)) ;; esac
  done < "$data/nodes.conf"
  [ "$owners" = 0 ] || { [ "$owners" -le "$SLOTKEEPER_SHARDS" ] && [ "$SLOTKEEPER_SHARDS" -le "$all" ]; } ||
    refuse "$them had $owners shards, and this one has $SLOTKEEPER_SHARDS: delete this cluster and create it with shards: $owners"
}

# The names on the volume, of what servers and we ourselves write (known) or of anything else (strange).
names() {
  ls -A "$data" | while IFS= read -r name; do
    what=strange
    case "$name" in
      lost+found) continue ;;
      slotkeeper.marker|slotkeeper.marker.new|slotkeeper.clean|slotkeeper.ended|slotkeeper.whole|slotkeeper.whole.new) what=known ;;
      nodes.conf|nodes.conf.aside|nodes.conf.tmp-*|dump.rdb|temp-*.rdb|temp-*.aof|appendonlydir) what=known ;;
    esac
    [ "$what" = "$1" ] && echo "$name"
  done
  [ "$1" = known ] || ls -A "$data/appendonlydir" 2>/dev/null | while IFS= read -r name; do
    case "$name" in appendonly.aof.*|temp-*) ;; *) echo "appendonlydir/$name" ;; esac
  done
}

# What another cluster left is given up, because a person named that cluster. From the first marker on this volume is ours and
# none of its data is served: whatever ends us in the middle, the next start goes on.
discard_volume() {
  strange=$(names strange | head -n 5 | tr '\n' ' ')
  [ -z "$strange" ] || refuse "the data of the cluster with uid $owner is to be discarded, and this volume holds what no server writes: $strange"
  await_predecessor
  mark discarding "$owner"
  wipe
}
wipe() {
  names known | while IFS= read -r name; do
    case "$name" in slotkeeper.marker) ;; *) rm -rf "${data:?}/$name" || exit 1 ;; esac
  done || { say "what is on this volume cannot be discarded"; exit 1; }
  to_disk "$data"
  claim
}

# A volume belongs to one cluster. Another cluster's data is neither served nor touched, unless a person has named it.
adopted=${SLOTKEEPER_ADOPT_UID:-}
discarded=${SLOTKEEPER_DISCARD_UID:-}
if [ -f "$marker" ]; then
  read -r owner place state former < "$marker"
  [ -n "${state:-}" ] || refuse "this volume holds data, and its marker does not say whose"
  case "$owner $state" in
    "$SLOTKEEPER_CLUSTER_UID discarding") wipe ;;
    "$SLOTKEEPER_CLUSTER_UID "*) ;;
    *" seeding"|*" seeded") take_over ;;
    *)
      # What was taken over belongs to whom it was taken from as well: of a cluster that was given up before all of its
      # volumes were, the next one can have both.
      case " $owner $former " in
        *" ${adopted:-nobody} "*) adopt_volume ;;
        " ${discarded:-nobody} "*) discard_volume ;;
        *) refuse "this volume holds data of the cluster with uid $owner" ;;
      esac ;;
  esac
elif [ -e "$data/nodes.conf" ] || has_aof || has_rdb; then
  refuse "this volume holds data that no marker claims"
else
  claim
fi

# No data file: no identity either. An empty server must not come back under the name of one that had data.
fresh=no
if [ ! -f "$data/nodes.conf" ]; then
  fresh=yes
elif ! has_aof && ! has_rdb; then
  mv "$data/nodes.conf" "$data/nodes.conf.aside"
  fresh=yes
fi

# What this node was when it stopped, by its own file: its id, epoch and first slot if it was a primary with slots.
remember() {
  me=""
  [ -f "$1" ] || return 0
  while read -r id address flags followed ping pong era link slots; do
    case "$flags" in *myself*) ;; *) continue ;; esac
    case "$flags $slots" in *master*" "[0-9]*) me=$id; epoch=$era; slot=${slots%%[!0-9]*} ;; esac
  done < "$1"
}

# Is our first slot among these ranges of a row?
has_our_slot() {
  for range; do
    case "$range" in [0-9]*) [ "${range%-*}" -le "$slot" ] && [ "${range#*-}" -ge "$slot" ] && return 0 ;; esac
  done
  return 1
}

# The rows of one view, in a line: who says it (- for nobody), what became of us, and who may follow us, heard of or not.
# replaced: the owner of our slots was elected after us; behind: not heard yet that we were; heirs: somebody follows us, and
# may hold newer data; alone; unknown.
judge() {
  by=-; says=unknown; owners=" "; follow=""; idle=""; theirs=-1
  while read -r id address flags followed ping pong era link slots; do
    case "$flags" in *myself*) by=$id ;; *handshake*) continue ;; esac
    case "$slots" in [0-9]*) ;; *) slots="" ;; esac
    if [ "$id" = "$me" ]; then
      says=lost
      case "$flags" in *master*) [ -n "$slots" ] && says=alone ;; esac
      continue
    fi
    case "$flags" in
      *slave*) follow="$follow $id=$followed" ;;
      *master*) if [ -n "$slots" ]; then owners="$owners$id "; else idle="$idle $id"; fi ;;
    esac
    has_our_slot $slots && theirs=$era
  done
  for one in $follow; do
    # Who follows a node without slots has not heard yet that we took them over: its data may be newer than ours.
    case "$owners" in *" ${one#*=} "*) continue ;; esac
    idle="$idle ${one%%=*}"
    [ "$says" = alone ] && says=heirs
  done
  if [ "$says" = lost ]; then
    says=unknown
    [ "$theirs" -ge 0 ] && says=behind
    [ "$theirs" -gt "$epoch" ] && says=replaced
  fi
  echo "$by $says$idle"
}

# What one that may be a replica of ours is now: follows (it holds data, and would copy our emptiness, or will once it hears
# that we were elected after it), gone (it does not), or unsure.
heir() {
  view=$(send "$1" CLUSTER NODES)
  case "$view" in *myself*) ;; *"onnection refused"*) echo gone; return ;; *) echo unsure; return ;; esac
  echo "$view" | while read -r id address flags followed ping pong era link slots; do
    case "$flags" in *myself*) ;; *) continue ;; esac
    [ "$followed" = "$me" ] || { has_our_slot $slots && [ "$era" -lt "$epoch" ]; } || { echo gone; return; }
    case "$(send "$1" INFO keyspace)" in *db0:*) echo follows ;; *Keyspace*) echo gone ;; *) echo unsure ;; esac
  done
}

# The worst that our replicas say, by the file of the identity that was given up. Who is listed as a primary without slots
# may be one that nobody has heard of yet: the former primary, when it has just handed its role to us.
heirs_now() {
  worst=gone
  while read -r id address flags followed ping pong era link slots; do
    case "$followed $flags $slots" in "$me "*) ;; *handshake*|*myself*|*[0-9]) continue ;; *master*) ;; *) continue ;; esac
    host=${address%%@*}
    case "$(heir "${host%:*}")" in follows) echo follows; return ;; gone) ;; *) worst=unsure ;; esac
  done < "$data/nodes.conf.aside"
  echo "$worst"
}

# What the hosts of stdin answer, four at a time: more would take too long where a container may use little of a processor.
ask_each() {
  count=0
  while read -r host; do
    (echo "$(send "$host" CLUSTER NODES | judge)") &
    count=$((count + 1))
    [ $((count % 4)) = 0 ] && wait
  done
  wait
}

# The addresses that our own file knows.
addresses() {
  while read -r id address flags rest; do
    case "$flags" in *myself*|*noaddr*|*handshake*) continue ;; esac
    case "$address" in *@*) address=${address%%@*}; echo "${address%:*}" ;; esac
  done < "$data/nodes.conf"
}

# What every node answers. When one is not found where it was, its address has changed: every pod is asked by its name.
poll() {
  answers=$(addresses | ask_each)
  [ -n "$answers" ] && echo "$answers"
  case "$answers" in ""|-*|*"
-"*) ask_each < "$peers" ;; esac
}

# Our own judgement and those of the nodes, together: replaced, heirs, alone, or unsure: one that may follow us has not
# answered. A node's word about itself is the only one that is never late.
weigh() {
  answered=" "; result=""
  read -r by own candidates
  while read -r by says ids; do
    answered="$answered$by "
    case "$says" in
      replaced) result=replaced ;;
      heirs|behind) [ "$result" = replaced ] || result=heirs ;;
      alone) candidates="$candidates $ids"; [ -n "$result" ] || result=alone ;;
    esac
  done
  [ -n "$result" ] || result=$own
  if [ "$result" = alone ]; then
    for one in $candidates; do
      case "$answered" in *" $one "*) ;; *) result=unsure ;; esac
    done
  fi
  echo "$result"
}

await_predecessor

began=$(date +%s)
pause=0.2
# Has it waited for three times the node timeout?
is_late() { [ $(($(date +%s) - began)) -ge $((SLOTKEEPER_GUARD_ROUNDS / 5)) ]; }
# One that may hold newer data, or may not, has not answered in all that time.
give_up() { echo "slotkeeper: this node was a primary, and one that may be its replica does not answer: starting with what is here"; }
# Says once why it waits, and what a person can do; from then on it looks less often.
explain() {
  [ "$pause" = 1 ] || say "this node was a primary and $1: waiting with the port closed. $2"
  pause=1
}

# A primary without a data file comes back empty, at the address that its replicas still copy from. While one of them does,
# and holds keys, the port stays closed: the others promote it. Of one that does not answer that is waited for a while.
me=""
[ "$fresh" = yes ] && remember "$data/nodes.conf.aside"
while [ -n "$me" ] && [ ! -f "$clean" ]; do
  state=$(heirs_now)
  [ "$state" = gone ] && break
  if is_late; then
    [ "$state" = unsure ] && give_up && break
    explain "kept no data, a replica still copies from it and would lose its own, and nobody promotes it" "To give its data up: create $clean in this container"
  fi
  sleep "$pause"
done

remember "$data/nodes.conf"
if [ -n "$me" ] && ! whole_aof; then
  while [ ! -f "$clean" ]; do
    state=$({ judge < "$data/nodes.conf"; poll; } | weigh)
    case "$state" in replaced|alone) break ;; esac
    if is_late; then
      [ "$state" = unsure ] && give_up && break
      explain "did not end in order, its data may be older than that of its replicas, and no peer shows that it was replaced" "If no replica can take over, and this data is the best there is: create $clean in this container"
    fi
    sleep "$pause"
  done
fi

whole_aof || rm -f "$whole"
rm -f "$clean" "$ended" "$underway"
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
: > "$ended"
# A server that shut down in order has saved all it had, if it saves at all; an older file proves nothing.
[ "$code" = 0 ] && [ "$(setting save)" != '""' ] && : > "$clean"
exit "$code"
