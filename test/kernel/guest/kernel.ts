/**
 * Debian's kernel for qemu.ts, and the initial file system that boots it. The package is fetched and unpacked once for each of its
 * versions, and never installed.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where kernels are kept from run to run. */
const CACHE = join(tmpdir(), "eleven-guest-kernels");
const PACKAGE = "linux-image-amd64";
/** What is needed before the host's files can be seen, without what these need in turn. */
const EARLY = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console"];

/** Folder with `boot` and `lib/modules` of the kernel that this Debian would install. Rejects if there is none to be had. */
export async function debianKernel(): Promise<string> {
  const { stdout } = await run("apt-cache", ["depends", PACKAGE]);
  const [, name] = /Depends: (linux-image-\S+)/.exec(stdout) ?? [];
  if (name === undefined) throw new Error(`apt knows no ${PACKAGE}: run apt-get update`);
  const folder = join(CACHE, name);
  if (!existsSync(folder)) await unpack(name, folder);
  return folder;
}

/** Complete or not there, however many do it at a time. */
async function unpack(name: string, folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const made = await mkdtemp(join(CACHE, "new-"));
  try {
    await run("apt-get", ["download", "-q", name], { cwd: made });
    const [file = ""] = await readdir(made);
    await run("dpkg-deb", ["-x", file, "."], { cwd: made });
    await rm(join(made, file));
    await run("depmod", ["-b", made, await versionIn(made)]);
    await rename(made, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** Of the kernel in such a folder: "6.1.0-56-amd64". */
export async function versionIn(root: string): Promise<string> {
  const [version = ""] = await readdir(join(root, "lib/modules"));
  return version;
}

/** Writes the file that begins with qemu.sh and has the modules for it. */
export async function writeInitrd(root: string, file: string): Promise<void> {
  const version = await versionIn(root);
  const tree = `${file}.tree`;
  for (const folder of ["bin", "lib", "proc", "sys", "dev", "low", "memory", "root"])
    await mkdir(join(tree, folder), { recursive: true });
  await copyFile("/bin/busybox", join(tree, "bin/busybox"));
  await copyFile(new URL("qemu.sh", import.meta.url), join(tree, "init"));
  const modules = new Set<string>();
  for (const module of EARLY) {
    const { stdout } = await run("modprobe", ["-d", root, "-S", version, "--show-depends", module]);
    for (const [, path] of stdout.matchAll(/^insmod (\S+)/gm)) modules.add(path!);
  }
  for (const path of modules) await copyFile(path, join(tree, "lib", basename(path)));
  await writeFile(join(tree, "modules"), [...modules].map((path) => `${basename(path)}\n`).join(""));
  await run("sh", ["-c", 'chmod 755 init && find . | cpio -o -H newc > "$0" 2> /dev/null', file], { cwd: tree });
}
