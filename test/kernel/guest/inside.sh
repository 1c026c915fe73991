#!/bin/sh
# The guest's second half, its root in place; see uml.sh and qemu.sh. E11_JOB is a host directory with what to do: `machine` (what differs
# between guests, as shell functions and variables), `command` (a shell script) and `writable` (directories, one a line). Writes the
# command's exit status to $E11_JOB/status and turns the machine off.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

off() {
  echo 1 > /proc/sys/kernel/sysrq
  echo o > /proc/sysrq-trigger
  sleep 5
  exit 1
}

mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
grep -q " /dev devtmpfs " /proc/mounts || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/netns
ln -sfn /proc/self/fd /dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -sfn "/proc/self/fd/${n%:*}" "/dev/${n#*:}"; done
[ -e /tmp ] || mkdir -m 1777 /tmp

. "$E11_JOB/machine"

# Where modprobe looks.
[ -e "/lib/modules/$(uname -r)" ] || { mkdir -p /lib/modules && ln -s "$modules/$(uname -r)" /lib/modules/; }
modprobe -qa ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh nf_conntrack nf_conntrack_netlink nf_nat xt_ipvs \
  veth bridge dummy
prepare
ip link set lo up
hostname guest 2> /dev/null

mkdir -p "$E11_JOB"
share job "$E11_JOB" || off
number=0
while read -r directory; do
  share "w$number" "$directory" || off
  number=$((number + 1))
done < "$E11_JOB/writable"

# Two lines lead to the host's stdout and stderr; pipes before them, so that the command sees no terminal.
mkfifo /run/stdout /run/stderr
cat /run/stdout > "$stdout" &
out=$!
cat /run/stderr > "$stderr" &
err=$!
ulimit -n 65536
setsid /bin/sh "$E11_JOB/command" < /dev/null > /run/stdout 2> /run/stderr
status=$?

# What the command leaves running keeps the pipes open: it gets two seconds to say its last words.
(sleep 2; kill "$out" "$err") 2> /dev/null &
wait "$out" "$err" 2> /dev/null
drain
echo "$status" > "$E11_JOB/status"
sync
off
