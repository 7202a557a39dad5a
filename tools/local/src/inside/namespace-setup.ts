/**
 * Shell text run first in the platform's namespace: places of its own for what programs keep at fixed paths,
 * and a bridge that nodes hang on. (Kernels without `dummy` exist, so the bridge also carries the address.)
 */
export const namespaceSetup = `set -e
mount -t tmpfs t /run
mkdir -p /run/netns
ip link set lo up
ip link add nodes type bridge
ip addr add 10.245.0.1/24 dev nodes
ip link set nodes up
ip route add default dev nodes
echo 1 > /proc/sys/net/ipv4/ip_forward
`

/**
 * Shell text run in a node's network and mount namespace; it then stays as the process that holds them.
 * Arguments: folder, address, state directory.
 */
export const nodeSetup = `set -e
mount -t tmpfs t /run
mkdir -p /run/netns
for place in /var/lib /var/log; do
  case "$3/" in "$place"/*) ;; *) mount -t tmpfs t "$place" ;; esac
done
mkdir -p /var/lib/cni /var/lib/kubelet "$1/device-plugins-home/device-plugins"
mount --bind "$1/device-plugins-home" /var/lib/kubelet
# As real root the kubelet would set these for the whole machine: it gets files that only look like them.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  copy="/run/$(echo "$setting" | tr / -)"
  cat "/proc/sys/$setting" > "$copy" && mount --bind "$copy" "/proc/sys/$setting" || true
done
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
ip addr add "$2/24" dev eth0
ip link set eth0 up
ip route add default via 10.245.0.1
nft add table ip cut
nft add chain ip cut pairs '{ type filter hook forward priority -5; }'
: > "$1/held"
exec sleep infinity
`
