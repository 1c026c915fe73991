#!/bin/busybox sh
# First process of the emulated guest, in its initial file system. The root becomes the host's files (9p, read only) under an overlay in
# memory, where inside.sh, from the job's directory, goes on.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
exec > /dev/console 2>&1
for module in $($b cat /modules); do $b insmod "/lib/$module"; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /low
$b mount -t tmpfs -o size=80% memory /memory
$b mkdir /memory/changes /memory/scratch
$b mount -t overlay -o lowerdir=/low,upperdir=/memory/changes,workdir=/memory/scratch guest /root
$b mount --move /proc /root/proc
$b mount --move /dev /root/dev
for word in $($b cat /root/proc/cmdline); do case "$word" in E11_*) export "${word?}" ;; esac; done
exec $b switch_root /root /bin/sh "$E11_JOB/inside.sh"
