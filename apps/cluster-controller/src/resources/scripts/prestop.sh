#!/bin/sh
# A primary whose pod is deleted hands its role over before it stops. The controller does that within 3 s;
# without it, this hook asks the best replica itself.
set -u
cli=$(command -v valkey-cli || command -v redis-cli)
REDISCLI_AUTH=$(cat /etc/slotkeeper/internal/control-password)
export REDISCLI_AUTH
ask() { timeout 2 "$cli" --no-auth-warning --user slotkeeper "$@" 2>/dev/null | tr -d '\r'; }
replica() { case "$(ask -p 6379 INFO replication)" in *role:slave*) return 0 ;; esac; return 1; }
best() { # the replica that has received most: ip of the line slaveN:ip=..,port=..,state=online,offset=..,lag=..
  ask -p 6379 INFO replication | {
    top=-1; host=""
    while IFS= read -r line; do
      case "$line" in slave[0-9]*:ip=*state=online*) ;; *) continue ;; esac
      offset=${line##*offset=}; offset=${offset%%,*}
      [ "$offset" -gt "$top" ] && top=$offset && host=${line#*ip=} && host=${host%%,*}
    done
    echo "$host"
  }
}
case "$(ask -p 6379 INFO replication)" in *connected_slaves:0*) exit 0 ;; esac
round=0
while [ "$round" -lt 15 ]; do replica && exit 0; round=$((round + 1)); sleep 0.2; done
try=0
while [ "$try" -lt 3 ]; do
  host=$(best)
  [ -z "$host" ] && exit 0
  ask -h "$host" -p 6379 CLUSTER FAILOVER > /dev/null
  round=0
  while [ "$round" -lt 10 ]; do replica && exit 0; round=$((round + 1)); sleep 0.2; done
  try=$((try + 1))
done
exit 0
