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
case "$info" in *LOADING*) exit 1 ;; *role:master*) exit 0 ;; esac
case "$info" in *master_sync_in_progress:1*) exit 1 ;; *master_link_status:up*) exit 0 ;; esac
exit 1
