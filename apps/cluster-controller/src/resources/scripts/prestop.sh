#!/bin/sh
# A primary whose pod is deleted hands its role over before it stops. The controller does that within 3 s;
# without it, this hook asks the best replica itself.
set -u
# What is on the disk at an end in order is looked at once more: one that the readiness probe has not looked at yet would wait in
# the boot guard, and with all of its shard for a person. Beside the rest: neither a disk that hangs nor a slow server holds up
# the hand-over. The server is stopped when this script has ended, so it waits for the look, for as long as that may take.
/bin/sh /etc/slotkeeper/config/probe ready > /dev/null 2>&1 &
look=$!
await_look() {
  round=0
  while [ "$round" -lt 30 ] && kill -0 "$look" 2>/dev/null; do round=$((round + 1)); sleep 0.2; done
}
trap await_look EXIT
cli=$(command -v valkey-cli || command -v redis-cli)
REDISCLI_AUTH=$(cat /etc/slotkeeper/internal/control-password)
export REDISCLI_AUTH
ask() { timeout 2 "$cli" --no-auth-warning --user slotkeeper "$@" 2>/dev/null; }
look() { # ends the hook when there is nothing to hand over: no primary, or nobody to take over
  info=$(ask -p 6379 INFO replication)
  [ $? = 124 ] && return # slow, but there
  case "$info" in *role:master*) ;; *) exit 0 ;; esac
  case "$info" in *connected_slaves:0*) exit 0 ;; esac
}
best() { # the replica that has received most: ip of the line slaveN:ip=..,port=..,state=online,offset=..,lag=..
  echo "$info" | {
    top=-1; host=""
    while IFS= read -r line; do
      case "$line" in slave[0-9]*:ip=*state=online*) ;; *) continue ;; esac
      offset=${line##*offset=}; offset=${offset%%,*}
      [ "$offset" -gt "$top" ] && top=$offset && host=${line#*ip=} && host=${host%%,*}
    done
    echo "$host"
  }
}
round=0
while [ "$round" -lt 15 ]; do look; round=$((round + 1)); sleep 0.2; done
try=0
while [ "$try" -lt 3 ]; do
  host=$(best)
  [ -z "$host" ] && exit 0
  ask -h "$host" -p 6379 CLUSTER FAILOVER > /dev/null
  round=0
  while [ "$round" -lt 10 ]; do look; round=$((round + 1)); sleep 0.2; done
  try=$((try + 1))
done
exit 0
