#!/bin/sh
# First process of the User Mode Linux guest that uml.ts starts. Its root is the host's file system (hostfs, read only);
# E11_JOB is a host directory with what to do: `command` (a shell script) and `writable` (directories, one a line).
# Writes the command's exit status to $E11_JOB/status and turns the machine off.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

off() {
  echo 1 > /proc/sys/kernel/sysrq
  echo o > /proc/sysrq-trigger
  sleep 5
  exit 1
}

if [ "$1" != inside ]; then
  # Everything that is written goes to memory: an overlay of hostfs, with this script's second half inside it.
  mount -t proc proc /proc
  mount -t tmpfs -o size=80% memory /mnt
  mkdir /mnt/changes /mnt/scratch /mnt/root
  insmod "/usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko" || off
  mount -t overlay -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/scratch guest /mnt/root || off
  mount --move /proc /mnt/root/proc
  cd /mnt/root && pivot_root . mnt || off
  exec chroot . /bin/sh "$0" inside
fi

mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/netns
ln -sfn /proc/self/fd /dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -sfn "/proc/self/fd/${n%:*}" "/dev/${n#*:}"; done
[ -e /tmp ] || mkdir -m 1777 /tmp

# Where modprobe looks. Debian keeps this kernel's modules elsewhere.
[ -e "/lib/modules/$(uname -r)" ] || { mkdir -p /lib/modules && ln -s "/usr/lib/uml/modules/$(uname -r)" /lib/modules/; }

# The kernel has no nf_tables for IPv4 and IPv6: iptables has to be the legacy one, whatever the host prefers.
for tool in iptables ip6tables; do
  for part in "" -save -restore; do ln -sfn "/usr/sbin/$tool-legacy$part" "/etc/alternatives/$tool$part"; done
done
modprobe -qa ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh nf_conntrack nf_conntrack_netlink nf_nat \
  xt_ipvs xt_mark xt_comment xt_conntrack xt_addrtype xt_nat xt_MASQUERADE xt_REDIRECT xt_tcpudp xt_multiport \
  iptable_filter iptable_nat iptable_mangle ip6table_filter ip6table_nat ip6table_mangle ipt_REJECT ip6t_REJECT \
  veth bridge dummy
ip link set lo up
hostname guest 2> /dev/null

mkdir -p "$E11_JOB"
mount -t hostfs none "$E11_JOB" -o "$E11_JOB" || off
while read -r directory; do
  mount -t hostfs none "$directory" -o "$directory" || off
done < "$E11_JOB/writable"

# Two serial lines lead to the host's stdout and stderr; pipes before them, so that the command sees no terminal.
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
mkfifo /run/stdout /run/stderr
cat /run/stdout > /dev/ttyS1 &
out=$!
cat /run/stderr > /dev/ttyS2 &
err=$!
ulimit -n 65536
setsid /bin/sh "$E11_JOB/command" < /dev/null > /run/stdout 2> /run/stderr
status=$?

# What the command leaves running keeps the pipes open: it gets two seconds to say its last words.
(sleep 2; kill "$out" "$err") 2> /dev/null &
wait "$out" "$err" 2> /dev/null
stty -F /dev/ttyS1 raw # returns when everything before it has left
stty -F /dev/ttyS2 raw
echo "$status" > "$E11_JOB/status"
sync
off
