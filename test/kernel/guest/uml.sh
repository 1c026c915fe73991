#!/bin/sh
# First process of the User Mode Linux guest: its root, the host's file system (hostfs, read only), gets an overlay in memory, where
# inside.sh, from the job's directory, goes on.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t proc proc /proc
mount -t tmpfs -o size=80% memory /mnt
mkdir /mnt/changes /mnt/scratch /mnt/root
insmod "/usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko"
mount -t overlay -o lowerdir=/,upperdir=/mnt/changes,workdir=/mnt/scratch guest /mnt/root
mount --move /proc /mnt/root/proc
cd /mnt/root && pivot_root . mnt
exec chroot . /bin/sh "$E11_JOB/inside.sh"
