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
info=$(ask INFO replication) || exit 1
case "$info" in
  *LOADING*|*master_sync_in_progress:1*) exit 1 ;;
  *role:master*|*master_link_status:up*) ;;
  *) exit 1 ;;
esac
# The boot guard (start) may rely on the append-only file once that holds all: of a primary when it has slots, of a replica
# when the file was written anew after its first sync.
unwritten=/data/slotkeeper.unwritten
[ -f "$unwritten" ] || exit 0
case "$info" in *role:master*)
  owns=$(ask CLUSTER NODES | while read -r id address flags followed ping pong epoch link slots; do
    case "$flags" in *myself*) echo "$slots" ;; esac
  done)
  [ -n "$owns" ] || exit 0
esac
case "$(ask INFO persistence)" in
  *aof_rewrite_in_progress:1*|*aof_rewrite_scheduled:1*|*aof_last_bgrewrite_status:err*) ;;
  *aof_enabled:1*) rm -f "$unwritten" ;;
esac
exit 0
