// Becomes a command that can make only the system calls named: filtered.mjs CALL,CALL,… COMMAND WORD… What systemd does with
// SystemCallFilter=, RestrictNamespaces=net and RestrictAddressFamilies=, and with its library. Plain JavaScript, for node alone.
import { createRequire } from "node:module";

const koffi = createRequire(import.meta.url)("koffi");
const seccomp = koffi.load("libseccomp.so.2");
const init = seccomp.func("void *seccomp_init(uint32_t)");
const number = seccomp.func("int seccomp_syscall_resolve_name(const char *)");
const add = seccomp.func("int seccomp_rule_add_array(void *, uint32_t, int, unsigned int, void *)");
const load = seccomp.func("int seccomp_load(void *)");
const libc = koffi.load("libc.so.6");
const execv = libc.func("int execv(const char *, const char **)");
const fcntl = libc.func("int fcntl(int, int, int)");

const ALLOW = 0x7fff0000;
const refuse = (errno) => (0x00050000 | errno) >>> 0;
const [EPERM, ENOSYS] = [1, 38];
const EQUAL = 4;
const MASKED_EQUAL = 7;
const CLONE_NEWNET = 0x40000000n;
const CLONE_NEW_ANY = 0x7e020080n;
const FAMILIES = [1n, 2n, 10n, 16n]; // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK

/** struct scmp_arg_cmp: argument 4 | comparison 4 | datum 8 | datum 8 */
function where(argument, comparison, a, b = 0n) {
  const out = Buffer.alloc(24);
  out.writeUInt32LE(argument, 0);
  out.writeUInt32LE(comparison, 4);
  out.writeBigUInt64LE(a, 8);
  out.writeBigUInt64LE(b, 16);
  return out;
}

function rule(filter, action, name, ...conditions) {
  const call = number(name);
  if (call < 0) return; // not on this machine
  const problem = add(filter, action, call, conditions.length, Buffer.concat([...conditions, Buffer.alloc(8)]));
  if (problem !== 0) throw new Error(`${name}: ${problem}`);
}

const [calls, command, ...args] = process.argv.slice(2);
const filter = init(refuse(EPERM));
for (const name of calls.split(",")) {
  if (name === "setns") rule(filter, ALLOW, name, where(1, EQUAL, CLONE_NEWNET));
  else if (name === "unshare" || name === "clone") rule(filter, ALLOW, name, where(0, MASKED_EQUAL, CLONE_NEW_ANY, 0n));
  else if (name === "clone3") rule(filter, refuse(ENOSYS), name);
  else if (name === "socket") for (const family of FAMILIES) rule(filter, ALLOW, name, where(0, EQUAL, family));
  else rule(filter, ALLOW, name);
}
if (load(filter) !== 0) throw new Error("the filter can't be loaded");
for (const standard of [0, 1, 2]) fcntl(standard, 2, 0); // F_SETFD: node would have them closed
execv(command, [command, ...args, null]);
throw new Error(`${command} can't be run`);
