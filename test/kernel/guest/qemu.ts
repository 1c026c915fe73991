/**
 * Debian's own kernel in a machine that qemu emulates, wherever there is a qemu: it has IPVS and nf_tables both. Boots in about ten seconds
 * and computes some five times slower than the host.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Job, Machine } from "./guest.ts";
import { debianKernel, versionIn, writeInitrd } from "./kernel.ts";

export const qemu: Machine = {
  name: "qemu",
  packages: {
    "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
    "busybox-static": "/bin/busybox",
    cpio: "/usr/bin/cpio|/bin/cpio",
  },
  script: `
modules=$E11_KERNEL/lib/modules
stdout=$(echo /dev/vport*p1)
stderr=$(echo /dev/vport*p2)
share() { mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 "$1" "$2"; }
prepare() {
  modprobe -qa br_netfilter nf_tables nft_chain_nat nft_compat nft_ct nft_fib_inet nft_hash nft_masq nft_nat nft_numgen nft_redir \\
    nft_reject_inet
}
drain() { :; }
`,
  async start(job, stdio) {
    const root = await debianKernel();
    await writeInitrd(root, join(job.folder, "initrd"));
    const image = join(root, "boot", `vmlinuz-${await versionIn(root)}`);
    return spawn("/usr/bin/qemu-system-x86_64", machineArguments(root, image, job), { stdio });
  },
  async kill(child) {
    child.kill("SIGKILL");
  },
};

/** No KVM, even where there is one: inside another virtual machine it may start and go no further. */
function machineArguments(root: string, image: string, { folder, mem, writable }: Job): string[] {
  const shared = (path: string, tag: string, more = "") => [
    "-virtfs",
    `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${more}`,
  ];
  const line = (fd: number) => [
    "-chardev",
    `socket,id=line${fd},fd=${fd}`,
    "-device",
    `virtserialport,chardev=line${fd}`,
  ];
  return [
    ...["-accel", "tcg", "-cpu", "max", "-m", mem, "-nodefaults", "-no-reboot", "-display", "none"],
    ...[
      "-kernel",
      image,
      "-initrd",
      join(folder, "initrd"),
      "-chardev",
      "socket,id=console,fd=1",
      "-serial",
      "chardev:console",
    ],
    ...["-append", `console=ttyS0 quiet panic=-1 mitigations=off E11_JOB=${folder} E11_KERNEL=${root}`],
    ...shared("/", "host", ",readonly=on"),
    ...shared(folder, "job"),
    ...writable.flatMap((path, i) => shared(path, `w${i}`)),
    ...["-device", "virtio-serial", ...line(3), ...line(4)],
  ];
}
