#!/bin/sh
# startup: the server replies, or is loading. ready: a primary is ready by itself, a replica when it is in sync.
# Neither asks for cluster_state: a lost shard must not take the others out of their Service.
set -u
cli=$(command -v valkey-cli || command -v redis-cli)
REDISCLI_AUTH=$(cat /etc/slotkeeper/internal/probe-password)
export REDISCLI_AUTH
ask() { timeout 2 "$cli" --no-auth-warning --user slotkeeper-probe -p 6379 "$@" 2>&1; }
if [ "$1" = startup ]; then
  case "$(ask PING)" in PONG*|*LOADING*) exit 0 ;; esac
  exit 1
fi
data=/data
whole=$data/slotkeeper.whole
# Which sync was the last, before anything is asked: one that comes meanwhile is not taken for written.
last_sync=$(stat -c '%s %y' "$data/dump.rdb" 2>/dev/null || echo none)
info=$(ask INFO replication) || exit 1
case "$info" in
  *LOADING*|*master_sync_in_progress:1*) exit 1 ;;
  *role:master*|*master_link_status:up*) ;;
  *) exit 1 ;;
esac
# The boot guard (start) trusts an append-only file that was seen to hold all, as of the last sync.
[ -s "$data/appendonlydir/appendonly.aof.manifest" ] || exit 0
known=""
[ -f "$whole" ] && read -r known < "$whole"
own_row() { # the role and slots of this node, by its own file
  while read -r id address flags followed ping pong epoch link slots; do
    case "$flags" in *myself*) echo "$flags $slots" ;; esac
  done < "$data/nodes.conf"
}
case "$(ask INFO persistence)" in
  *loading:1*) exit 0 ;;
  *aof_enabled:0*|*aof_rewrite_scheduled:1*|*aof_last_bgrewrite_status:err*) proof="" ;;
  # While one that is whole is written anew it stays so; of one that a sync put out of use the guard finds the companion.
  *aof_rewrite_in_progress:1*) exit 0 ;;
  *aof_enabled:1*) proof=$last_sync ;;
  *) exit 0 ;;
esac
# An empty replica reads a sync from the wire, which leaves no trace: only a primary with slots is empty in truth.
case "$(ask INFO keyspace)" in
  *db0:*) ;;
  *) case "$(own_row)" in *master*" "[0-9]*) ;; *) proof="" ;; esac ;;
esac
[ "$proof" = "$known" ] && exit 0
if [ -z "$proof" ]; then rm -f "$whole"; else echo "$proof" > "$whole.new" && mv "$whole.new" "$whole"; fi
exit 0
